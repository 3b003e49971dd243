import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { SshServers } from "../../../test/harness/sshd.ts";
import { parseConfig } from "../../config/load.ts";
import type { ProviderConfig } from "../../config/types.ts";
import { type Clock, systemClock } from "../../std/clock.ts";
import { silentLogger } from "../../std/logger.ts";
import { testHosts } from "../contract/hosts.ts";
import type { Host } from "../contract.ts";
import { openProvider } from "../registry.ts";
import { checkHost } from "./check.ts";
import { readHosts } from "./hosts.ts";

type Entry = Readonly<Record<string, unknown>>;

/** The provider `lab` with a pool of these hosts. */
function configOf(nodes: readonly Entry[], more: readonly Entry[] = []): ProviderConfig {
  const pools = [{ name: "main", nodes }, ...(more.length === 0 ? [] : [{ name: "more", nodes: more }])];
  const document = {
    labels: [{ name: "small" }, { name: "large" }],
    providers: [{ name: "lab", driver: "static", pools }],
  };
  const [provider] = parseConfig(JSON.stringify(document), "nodepool.yaml").providers;
  assert.ok(provider);
  return provider;
}

const hostsOf = (...given: Parameters<typeof configOf>) => readHosts(configOf(...given));

testHosts("the static driver", async () => {
  const servers = await SshServers.open();
  const keys = [await servers.key("ed25519"), await servers.key("ecdsa256"), await servers.key("rsa")];
  const other = await servers.key();
  const server = await servers.start(keys);
  const hanging = await servers.startHanging();
  const closed = await servers.start([other]);
  await closed.stop();
  const at = (username: string, port: number, more: Entry = {}) => {
    return { name: "127.0.0.1", labels: "small", username, "connection-port": port, ...more };
  };
  const config = configOf([
    at("good", server.port, { "host-key": keys.map(({ line }) => line) }),
    at("scanned", server.port),
    at("hanging", hanging.port, { timeout: 1 }),
    at("closed", closed.port),
    { ...at("lost", server.port), name: "no-such-host.invalid" },
    at("changed", server.port, { "host-key": other.line }),
    at("broken", server.port, { "host-key": "ssh-ed25519 AAAA" }),
  ]);
  const found = new Map(readHosts(config).hosts.map((host) => [host.username, host]));
  const host = (username: string): Host => {
    const one = found.get(username);
    if (one === undefined) throw new Error(`no host ${username}`);
    return one;
  };
  const provider = await openProvider(config, { logger: silentLogger });
  await provider.start(AbortSignal.timeout(60_000));
  return {
    provider,
    good: host("good"),
    scanned: host("scanned"),
    keys: keys.map(({ line }) => line),
    hanging: host("hanging"),
    closed: host("closed"),
    lost: host("lost"),
    changed: host("changed"),
    broken: host("broken"),
    close: async () => {
      await provider.stop();
      await servers.close();
    },
  };
});

describe("hosts of the configuration", () => {
  it("have the defaults that Nodepool has", () => {
    const [host] = hostsOf([{ name: "h", labels: ["small"] }]).hosts;
    assert.deepEqual(host, {
      identity: "zuul@h:22",
      pool: "main",
      name: "h",
      username: "zuul",
      port: 22,
      connectionType: "ssh",
      shellType: null,
      pythonPath: "auto",
      labels: ["small"],
      slots: 1,
      timeout: 5,
      hostKeyChecking: true,
      hostKeys: [],
      problem: null,
    });
  });

  it("take labels as a list or as words, and the old name of the port", () => {
    const [host] = hostsOf([{ name: "h", labels: "small large small", "ssh-port": 2222 }]).hosts;
    assert.deepEqual([host?.labels, host?.identity], [["small", "large"], "zuul@h:2222"]);
  });

  it("are one of each identity: the first; the other is named with the remedy", () => {
    const { hosts, problems } = hostsOf(
      [{ name: "h", labels: "small" }],
      [
        { name: "h", labels: "small" },
        { name: "h", labels: "small", username: "two" },
      ],
    );
    assert.deepEqual(
      hosts.map(({ identity }) => identity),
      ["zuul@h:22", "two@h:22"],
    );
    assert.match(
      problems.join(),
      /host zuul@h:22 of pool more is left out: pool main has it already; change/,
    );
  });
});

describe("a check of a host that has no SSH", () => {
  let servers: SshServers;
  before(async () => {
    servers = await SshServers.open();
  });
  after(() => servers.close());

  it("is whether something listens", async () => {
    const port = (await servers.startHanging()).port;
    const winrm = { name: "127.0.0.1", labels: "small", "connection-type": "winrm", "connection-port": port };
    const [host] = hostsOf([winrm]).hosts;
    assert.ok(host);
    const never = new AbortController().signal;
    assert.deepEqual(await checkHost(host, never, systemClock), {
      hostKeys: [],
      ipv4: "127.0.0.1",
      ipv6: null,
    });
    await servers.close();
    servers = await SshServers.open();
    await assert.rejects(
      checkHost(host, never, systemClock),
      /nothing answers at 127\.0\.0\.1 port \d+: ECONNREFUSED/,
    );
  });

  describe("ends", () => {
    const [host] = hostsOf([{ name: "127.0.0.1", labels: "small", "connection-type": "winrm" }]).hosts;
    assert.ok(host);
    /** A clock on which the time of a wait, counted from 1, is over at once; instead of it something else may be done. */
    const clockAtWait = (number: number, otherwise?: () => void): Clock => {
      let waits = 0;
      const after = (_milliseconds: number, callback: () => void) => {
        waits += 1;
        if (waits === number) (otherwise ?? callback)();
        return () => {};
      };
      return { ...systemClock, after };
    };

    it("when its name is not found within the host's timeout", async () => {
      const never = new AbortController().signal;
      await assert.rejects(
        checkHost(host, never, clockAtWait(1)),
        /its name 127\.0\.0\.1 does not resolve \(no answer within 5 s\)/,
      );
    });

    it("when nothing answers within the host's timeout", async () => {
      const never = new AbortController().signal;
      await assert.rejects(
        checkHost(host, never, clockAtWait(2)),
        /nothing answers at 127\.0\.0\.1 port 22: no answer within 5 s/,
      );
    });

    it("with the reason of who has given it up", async () => {
      const caller = new AbortController();
      const clock = clockAtWait(2, () => caller.abort(new Error("the launcher is stopping")));
      await assert.rejects(checkHost(host, caller.signal, clock), /the launcher is stopping/);
    });
  });
});
