// What is wrong in the configuration of OpenStack providers: each is told once, with its provider, what is wrong and what
// to do; the others are served.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseConfig } from "../../lib/config/load.ts";
import { openProviders, type UnservedProvider } from "../../lib/daemon/providers.ts";
import type { Provider } from "../../lib/provider/contract.ts";
import { systemClock } from "../../lib/std/clock.ts";
import type { Logger } from "../../lib/std/logger.ts";
import { makeCertificates } from "../harness/certificates.ts";
import {
  type Script,
  type ScriptedOpenStack,
  startScriptedOpenStack,
} from "../harness/scripted_openstack.ts";

const networks = [
  { id: "n1", name: "inside" },
  { id: "n2", name: "twice" },
  { id: "n3", name: "twice" },
];
const script: Script = ({ service, path }) =>
  service === "network" && path.startsWith("/networks") ? { status: 200, body: { networks } } : undefined;

/** A logger that keeps what it is told at these levels, with its bound fields. */
function recorder(lines: { level: string; text: string }[], bound: object = {}): Logger {
  const at = (level: string) => (message: string, fields?: object) =>
    void lines.push({ level, text: JSON.stringify({ message, ...bound, ...fields }) });
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields: object) => recorder(lines, { ...bound, ...fields }),
  } as Logger;
}

describe("bad OpenStack providers beside a good one", () => {
  const lines: { level: string; text: string }[] = [];
  const clouds: ScriptedOpenStack[] = [];
  let folder: string;
  let providers: Provider[] = [];
  let unserved: UnservedProvider[] = [];
  let open: (told?: ReadonlyMap<string, string>) => ReturnType<typeof openProviders>;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nodepool-bad-openstack-"));
    const [certificate] = await makeCertificates(folder, ["localhost"]);
    assert.ok(certificate);
    const tls = {
      cert: await readFile(certificate.cert, "utf8"),
      key: await readFile(certificate.key, "utf8"),
    };
    const refusal = {
      status: 401,
      body: { error: { message: "The request you have made requires authentication." } },
    };
    const start = async (...given: Parameters<typeof startScriptedOpenStack>) => {
      const cloud = await startScriptedOpenStack(...given);
      clouds.push(cloud);
      return {
        auth: { auth_url: cloud.url, username: "robot", password: "hunter2secret", project_name: "ci" },
      };
    };
    const entries = {
      good: await start(script),
      refusing: await start(script, { login: () => refusal }),
      incomplete: await start(script, { without: ["image"] }),
      untrusted: await start(script, { tls }),
    };
    const withRegion = Object.entries(entries).map(([name, entry]) => [
      name,
      { ...entry, region_name: "here" },
    ]);
    await writeFile(join(folder, "clouds.yaml"), JSON.stringify({ clouds: Object.fromEntries(withRegion) }));
    const provider = (name: string, cloud: string, label = "min-ram: 64") =>
      `  - {name: ${name}, driver: openstack, cloud: ${cloud}, rate: 0, cloud-images: [{name: gone}], diskimages: [{name: img}], pools: [{name: main, labels: [{name: small, ${/image/.test(label) ? "" : "diskimage: img, "}${label}}]}]}`;
    const text = [
      "labels: [{name: small}]",
      "diskimages: [{name: img}]",
      "providers:",
      provider("fine", "good"),
      provider("misspelt", "goood"),
      provider("locked-out", "refusing"),
      provider("no-glance", "incomplete"),
      provider("no-trust", "untrusted"),
      provider("no-flavor", "good", "min-ram: 640000"),
      provider("no-network", "good", "min-ram: 64, networks: [insid]"),
      provider("two-networks", "good", "min-ram: 64, networks: [twice]"),
      provider("no-image", "good", "min-ram: 64, cloud-image: gone"),
    ].join("\n");
    const config = parseConfig(text, "nodepool.yaml");
    const env = { OS_CLIENT_CONFIG_FILE: join(folder, "clouds.yaml") };
    const { signal } = new AbortController();
    open = (told = new Map()) =>
      openProviders(config, {
        logger: recorder(lines),
        clock: systemClock,
        signal,
        env,
        patienceMs: 0,
        told,
      });
    ({ providers, unserved } = await open());
  });

  after(async () => {
    for (const provider of providers) await provider.stop();
    for (const cloud of clouds) await cloud.close();
    await rm(folder, { recursive: true });
  });

  test("a cloud that cannot be used is named with its provider and the remedy", () => {
    const wanted: Readonly<Record<string, RegExp>> = {
      misspelt: /^provider misspelt: cloud 'goood' was not found \(.*clouds\.yaml\).*did you mean "good"/,
      "locked-out":
        /^provider locked-out: no token for user 'robot'.*answered 401.*check the user, the password/,
      "no-glance":
        /^provider no-glance: .*has no Glance.*region-name or interface, or image_endpoint_override/,
      "no-trust": /^provider no-trust: .*set cacert to the authority's file/,
    };
    assert.deepEqual(unserved.map(({ name }) => name).sort(), Object.keys(wanted).sort());
    for (const { name, problem } of unserved) {
      assert.match(problem, wanted[name] ?? /nothing/);
      assert.equal(problem.includes("hunter2secret"), false);
    }
  });

  test("a word of a label that means nothing there is in the provider's status, and its cloud is served", () => {
    const problems = Object.fromEntries(providers.map((one) => [one.name, one.describe().problem]));
    assert.deepEqual(Object.keys(problems).sort(), [
      "fine",
      "no-flavor",
      "no-image",
      "no-network",
      "two-networks",
    ]);
    assert.equal(problems.fine, null);
    assert.match(
      problems["no-flavor"] ?? "",
      /label 'small': no flavor has min-ram 640000; the cloud has: small \(64 MiB\)/,
    );
    assert.match(
      problems["no-network"] ?? "",
      /label 'small': networks: there is no network 'insid' in the cloud.*did you mean "inside"/,
    );
    assert.match(
      problems["two-networks"] ?? "",
      /label 'small': networks: 'twice' is the name of 2 networks \(n2, n3\); use the id/,
    );
    assert.match(
      problems["no-image"] ?? "",
      /label 'small': cloud-image: image 'gone' does not exist in the cloud.*name another, or share it/,
    );
  });

  test("each is told once, and not again when it is tried again in vain", async () => {
    const told = () =>
      lines.filter(({ level }) => level === "error" || level === "warn").map(({ text }) => text);
    const bad = [...unserved, ...providers.filter((one) => one.describe().problem !== null)];
    assert.equal(bad.length, 8);
    for (const { name } of bad) {
      assert.equal(told().filter((text) => text.includes(`"provider":"${name}"`)).length, 1, name);
    }
    const reported = told().filter((text) => text.includes("not served")).length;
    const again = await open(new Map(unserved.map(({ name, problem }) => [name, problem])));
    for (const provider of again.providers) await provider.stop();
    assert.equal(again.unserved.length, unserved.length);
    assert.equal(told().filter((text) => text.includes("not served")).length, reported);
  });
});
