import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import ssh2 from "ssh2";
import { until } from "../../test/harness/launcher.ts";
import { freePort } from "../../test/harness/ports.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { scanHostKeys } from "./key_scan.ts";

const run = promisify(execFile);
const KEYS = { ed25519: "", ecdsa256: "256", ecdsa384: "384", ecdsa521: "521", rsa: "2048" } as const;
type KeyName = keyof typeof KEYS;

const never = new AbortController().signal;
const scan = (port: number, timeoutMs: number, signal = never) =>
  scanHostKeys({ host: "127.0.0.1", port, timeoutMs, signal });

/** On which time is longer by twenty: whatever a server of this machine has to say, it says in time. */
const patient: Clock = {
  ...systemClock,
  after: (milliseconds, callback) => systemClock.after(20 * milliseconds, callback),
};
const find = (port: number) =>
  scanHostKeys({ host: "127.0.0.1", port, timeoutMs: 20_000, signal: never, clock: patient });

describe("a scan of OpenSSH's host keys", () => {
  let directory: string;
  const lines = new Map<KeyName, string>();
  const servers: ChildProcess[] = [];

  const startSshd = async (keys: readonly KeyName[], options: readonly string[] = []): Promise<number> => {
    const port = await freePort();
    const keyOptions = keys.flatMap((key) => ["-h", join(directory, key)]);
    const listen = ["-o", `ListenAddress=127.0.0.1:${port}`, "-o", "PidFile=none", "-o", "UsePAM=no"];
    const args = ["-D", "-e", "-f", "/dev/null", ...listen, ...keyOptions, ...options];
    servers.push(spawn("/usr/sbin/sshd", args, { stdio: "ignore" }));
    return port;
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "nodepool-keys-"));
    await mkdir("/run/sshd", { recursive: true }).catch(() => {});
    for (const [name, bits] of Object.entries(KEYS)) {
      const size = bits === "" ? [] : ["-b", bits];
      const type = name.replace(/\d+$/, bits === "" ? "25519" : "");
      const file = join(directory, name);
      await run("ssh-keygen", ["-q", "-t", type, ...size, "-N", "", "-f", file]);
      const [kind, blob] = (await readFile(`${file}.pub`, "utf8")).split(" ");
      lines.set(name as KeyName, `${kind} ${blob}`);
    }
  });
  after(async () => {
    for (const server of servers) server.kill("SIGTERM");
    await rm(directory, { recursive: true });
  });

  test("finds every type of key, RSA once and as ssh-rsa", async () => {
    const names: readonly KeyName[] = ["ed25519", "ecdsa256", "rsa"];
    const found = await find(await startSshd(names));
    assert.deepEqual(found.sort(), names.map((name) => lines.get(name)).sort());
    assert.equal(found.filter((line) => line.startsWith("ssh-rsa ")).length, 1);
  });

  test("finds the larger ECDSA keys", async () => {
    for (const name of ["ecdsa384", "ecdsa521"] as const) {
      assert.deepEqual(await find(await startSshd([name])), [lines.get(name)]);
    }
  });

  test("leaves out types that the server does not have, without waiting for them", async () => {
    const port = await startSshd(["ed25519"]);
    let waits = 0;
    // What is waited for after the first key; on a clock on which that never ends.
    const after: Clock["after"] = (milliseconds, callback) => {
      if (milliseconds !== 5000) return systemClock.after(milliseconds, callback);
      waits += 1;
      return () => {
        waits -= 1;
      };
    };
    const options = { host: "127.0.0.1", port, timeoutMs: 3_600_000, signal: never };
    const found = await scanHostKeys({ ...options, clock: { ...systemClock, after } });
    assert.deepEqual([found, waits], [[lines.get("ed25519")], 0]);
  });

  test("finds an RSA key at a server that signs with SHA-256 only", async () => {
    const port = await startSshd(["rsa"], ["-o", "HostKeyAlgorithms=rsa-sha2-256"]);
    assert.deepEqual(await find(port), [lines.get("rsa")]);
  });

  // Network equipment of some years ago offers nothing else; OpenSSH has not all of it any more.
  for (const [kex, cipher, hmac] of [
    ["diffie-hellman-group14-sha1", "aes128-cbc", "hmac-sha1"],
    ["diffie-hellman-group1-sha1", "3des-cbc", "hmac-md5"],
  ] as const) {
    test(`finds a key at a server that has only ${kex} and ${cipher}`, async () => {
      const hostKeys = [await readFile(join(directory, "rsa"))];
      const algorithms = { kex: [kex], cipher: [cipher], hmac: [hmac], serverHostKey: ["ssh-rsa" as const] };
      const server = new ssh2.Server({ hostKeys, algorithms }, (connection) =>
        connection.on("error", () => {}),
      );
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      assert.deepEqual(await find((server.address() as AddressInfo).port), [lines.get("rsa")]);
      server.close();
    });
  }

  test("waits for a server that starts later", async () => {
    const port = await freePort();
    const scanning = find(port);
    await new Promise((resolve) => setTimeout(resolve, 700));
    const options = ["-o", `ListenAddress=127.0.0.1:${port}`, "-o", "PidFile=none", "-o", "UsePAM=no"];
    const key = ["-h", join(directory, "ed25519")];
    servers.push(
      spawn("/usr/sbin/sshd", ["-D", "-e", "-f", "/dev/null", ...options, ...key], { stdio: "ignore" }),
    );
    assert.deepEqual(await scanning, [lines.get("ed25519")]);
  });

  test("says why when a server and we have no algorithm in common", async () => {
    const port = await startSshd(["ed25519"], ["-o", "KexAlgorithms=sntrup761x25519-sha512@openssh.com"]);
    await assert.rejects(
      scan(port, 60_000),
      new RegExp(`127\\.0\\.0\\.1 port ${port}.*key exchange algorithm`),
    );
  });
});

describe("a scan of a server that is none", () => {
  const sockets = new Set<Socket>();
  const listen = async (onConnection: (socket: Socket) => void) => {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
      socket.resume();
      onConnection(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const close = () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    };
    return { port: (server.address() as AddressInfo).port, close };
  };

  test("ends at the timeout when it says nothing, and lets its connections go", async () => {
    const silent = await listen(() => {});
    await assert.rejects(scan(silent.port, 400), /port \d+ within 0\.4 s: it did not answer/);
    while (sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await silent.close();
  });

  /** A clock whose timers run out when they are told to, and are known by how long they are. */
  const byHand = () => {
    const running = new Set<{ readonly milliseconds: number; readonly callback: () => void }>();
    const begun: number[] = [];
    const clock: Clock = {
      ...systemClock,
      sleep: async () => {},
      after: (milliseconds, callback) => {
        const timer = { milliseconds, callback };
        begun.push(milliseconds);
        running.add(timer);
        return () => void running.delete(timer);
      },
    };
    const runOut = (milliseconds: number) => {
      for (const timer of [...running]) if (timer.milliseconds === milliseconds) timer.callback();
    };
    const isRunning = (milliseconds: number) =>
      [...running].some((timer) => timer.milliseconds === milliseconds);
    return { clock, begun, isRunning, runOut };
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const scanWith = (port: number, clock: Clock) =>
    scanHostKeys({
      host: "127.0.0.1",
      port,
      timeoutMs: 60_000,
      signal: never,
      clock,
      types: ["ssh-ed25519"],
    });

  test("connects anew when a connection does not stand after 3 s", async () => {
    const silent = await listen(() => {});
    const { clock, begun, runOut } = byHand();
    const scanning = scanWith(silent.port, clock);
    runOut(3000);
    await turn();
    const connections = begun.filter((milliseconds) => milliseconds === 3000).length;
    runOut(60_000);
    await assert.rejects(scanning, /within 60 s: it did not answer in 3 s/);
    assert.equal(connections, 2);
    await silent.close();
  });

  test("connects anew when a connection stands and has led to nothing after 10 s", async () => {
    let connections = 0;
    const silent = await listen(() => {
      connections += 1;
    });
    const { clock, isRunning, runOut } = byHand();
    const scanning = scanWith(silent.port, clock);
    await until("a connection", () => !isRunning(3000) && connections === 1);
    runOut(10_000);
    await until("another one", () => connections === 2);
    runOut(60_000);
    await assert.rejects(scanning, /within 60 s: it did not answer in 10 s/);
    assert.equal(connections, 2);
    await silent.close();
  });

  test("names the last reason when connections are refused", async () => {
    const { clock, runOut } = byHand();
    const scanning = scanWith(await freePort(), { ...clock, sleep: async () => runOut(60_000) });
    await assert.rejects(scanning, /127\.0\.0\.1 port \d+ within 60 s: .*ECONNREFUSED/);
  });

  test("tries again while it closes connections at once", async () => {
    let connections = 0;
    const rude = await listen((socket) => {
      connections += 1;
      socket.destroy();
    });
    const { clock, runOut } = byHand();
    const sleep = async () => {
      if (connections > 5) runOut(60_000);
    };
    await assert.rejects(scanWith(rude.port, { ...clock, sleep }), /port \d+ within 60 s/);
    await rude.close();
  });

  test("gives up at once on a server of a protocol that nobody speaks any more", async () => {
    const old = await listen((socket) => socket.write("SSH-1.5-old\r\n"));
    const clock = { ...byHand().clock, sleep: () => assert.fail("it tries again") };
    await assert.rejects(scanWith(old.port, clock), /127\.0\.0\.1 port \d+: .*identification/);
    await old.close();
  });

  test("ends with the signal's reason when it is aborted", async () => {
    const silent = await listen(() => {});
    const reason = new Error("the node is not wanted any more");
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 50);
    await assert.rejects(scan(silent.port, 10_000, abort.signal), reason);
    await silent.close();
  });
});
