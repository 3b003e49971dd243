import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/types.ts";
import { type Provider, ProviderError } from "../provider/contract.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { type Logger, silentLogger } from "../std/logger.ts";
import { ProviderSet } from "./provider_set.ts";
import { Reloader } from "./reload.ts";
import type { NextConfig, Service } from "./types.ts";

const folder = mkdtempSync(join(tmpdir(), "nodepool-reload-"));
after(() => rmSync(folder, { recursive: true }));

let count = 0;

const CLOUDS = join(folder, "clouds.yaml");
const files = { env: { OS_CLIENT_CONFIG_FILE: CLOUDS } };

interface Ways {
  readonly broken?: Set<string>;
  readonly refuses?: () => boolean;
  /** When what is in hand with providers that leave has ended. @default at once */
  readonly released?: Promise<void>;
  readonly adapt?: (config: Config) => Config;
}

/** A daemon with its file; what happens to its providers is written into `events`. */
async function daemon(first: string, ways: Ways = {}) {
  count += 1;
  const file = join(folder, `${count}.yaml`);
  writeFileSync(file, first);
  const events: string[] = [];
  const servers: string[] = [];
  const planned: (string | null)[] = [];
  const errors: string[] = [];
  const timers: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: async () => {},
    after: (_milliseconds, callback) => {
      timers.push(callback);
      return () => void timers.splice(timers.indexOf(callback), 1);
    },
  };
  const logger: Logger = {
    ...silentLogger,
    child: () => logger,
    error: (message) => void errors.push(message),
  };
  const { signal } = new AbortController();
  const providers = new ProviderSet({
    logger,
    clock,
    signal,
    patienceMs: 0,
    open: async ({ name, maxConcurrency }) => {
      const id = `${name}/${maxConcurrency}`;
      const provider: Partial<Provider> = {
        name,
        start: async () => {
          if (ways.broken?.has(name)) throw new ProviderError("it is down", { retryable: true });
          events.push(`start ${id}`);
        },
        stop: async () => void events.push(`stop ${id}`),
        describe: () => ({ summary: id, problem: null }),
      };
      return provider as Provider;
    },
  });
  const config = await loadConfig(file, files);
  const change = await providers.prepare(config);
  change.take(Promise.resolve());
  const service: Service = {
    rpc: [],
    plan: ({ imagesDir }) => {
      planned.push(imagesDir);
      return [];
    },
    stop: async () => {},
    reconfigure: async (next: NextConfig) => {
      if (ways.refuses?.()) throw new Error("it cannot take this");
      const names = next.providers.map((provider) => provider.describe().summary);
      events.push(`take ${names.join(" ")}`);
      return { released: ways.released ?? Promise.resolve() };
    },
  };
  const valid: boolean[] = [];
  const onValid = (isValid: boolean) => void valid.push(isValid);
  const onTaken = ({ zookeeper }: Config) =>
    void servers.push((zookeeper?.servers ?? []).map(({ host }) => host).join());
  const reloader = new Reloader({
    config,
    files,
    ...(ways.adapt === undefined ? {} : { adapt: ways.adapt }),
    clock,
    logger,
    signal,
    providers,
    service,
    onTaken,
    onValid,
  });
  const write = (text: string) => writeFileSync(file, text);
  return { reloader, providers, servers, planned, write, events, errors, valid, timers };
}

const provider = (name: string, concurrency: number) =>
  `- {name: ${name}, driver: fake, max-concurrency: ${concurrency}}\n`;

test("a changed file is one generation more; unchanged providers stay, old ones stop after the change", async () => {
  const one = `providers:\n${provider("a", 1)}${provider("b", 1)}${provider("c", 1)}`;
  const { reloader, write, events } = await daemon(one);
  const before = reloader.status;
  events.length = 0;
  assert.equal(await reloader.reload("test"), false, "nothing has changed");
  write(`providers:\n${provider("a", 1)}${provider("b", 2)}${provider("d", 1)}`);
  assert.equal(await reloader.reload("test"), true);
  await nextTurn();
  assert.deepEqual(events, ["start b/2", "start d/1", "take a/1 b/2 d/1", "stop b/1", "stop c/1"]);
  assert.deepEqual([before.generation, reloader.status.generation], [1, 2]);
  assert.notEqual(before.config.hash, reloader.status.config.hash);
});

test("a change is in force while a provider that it leaves out is still used, and the next one does not wait for that", async () => {
  const inHand = Promise.withResolvers<void>();
  const { reloader, write, events } = await daemon(`providers:\n${provider("a", 1)}`, {
    released: inHand.promise,
  });
  events.length = 0;
  write(`providers:\n${provider("a", 2)}`);
  assert.equal(await reloader.reload("test"), true);
  write("providers: []\n");
  assert.equal(await reloader.reload("test"), true);
  assert.deepEqual(events, ["start a/2", "take a/2", "take "]);
  assert.equal(reloader.status.generation, 3);
  inHand.resolve();
  await nextTurn();
  assert.deepEqual(events.slice(3), ["stop a/1", "stop a/2"]);
});

test("a provider that was left out and is still used at the end is stopped with all others, once", async () => {
  const inHand = Promise.withResolvers<void>();
  const { reloader, providers, write, events } = await daemon(
    `providers:\n${provider("a", 1)}${provider("b", 1)}`,
    { released: inHand.promise },
  );
  write(`providers:\n${provider("b", 1)}`);
  await reloader.reload("test");
  events.length = 0;
  await providers.close();
  inHand.resolve();
  await nextTurn();
  assert.deepEqual(events.sort(), ["stop a/1", "stop b/1"]);
});

test("a broken file leaves the old one in force, is logged once, and its mending is seen", async () => {
  const { reloader, write, errors, valid } = await daemon("labels: [{name: a}]\n");
  write("labels: [{name: 1, min-ready: many}\n");
  for (let look = 0; look < 3; look += 1) assert.equal(await reloader.reload("test"), false);
  assert.equal(errors.length, 1);
  assert.equal(reloader.status.generation, 1);
  assert.deepEqual([...reloader.status.config.labels.keys()], ["a"]);
  assert.match(reloader.status.problems.join(), /\/\d+\.yaml:2:1: /);
  assert.equal(valid.at(-1), false);
  write("labels: [{name: a}]\n");
  assert.equal(await reloader.reload("test"), false, "it is the one in force");
  assert.deepEqual([reloader.status.problems, valid.at(-1)], [[], true]);
});

test("a service that cannot take it leaves everything as it was", async () => {
  let refuses = true;
  const { reloader, write, events } = await daemon(`providers:\n${provider("a", 1)}`, {
    refuses: () => refuses,
  });
  events.length = 0;
  write(`providers:\n${provider("b", 1)}`);
  assert.equal(await reloader.reload("test"), false);
  assert.deepEqual(events, ["start b/1", "stop b/1"]);
  assert.deepEqual(reloader.status.problems, ["it cannot take this"]);
  refuses = false;
  assert.equal(await reloader.reload("test"), true);
  assert.deepEqual(events.slice(2), ["start b/1", "take b/1", "stop a/1"]);
});

test("a provider that is down at the start is tried again until it is served", async () => {
  const broken = new Set(["a"]);
  const { reloader, events, timers } = await daemon(`providers:\n${provider("a", 1)}`, { broken });
  const retry = async () => {
    const [timer] = timers.splice(0);
    assert.ok(timer !== undefined, "there is no retry");
    timer();
    await reloader.reload("wait for the turn");
  };
  await retry();
  assert.deepEqual(events, ["stop a/1", "stop a/1", "take "]);
  broken.clear();
  events.length = 0;
  await retry();
  assert.deepEqual(events, ["start a/1", "take a/1"]);
  assert.equal(reloader.status.generation, 1);
  assert.equal(timers.length, 0);
});

test("keys that count from the next start are named", async () => {
  const { reloader, write } = await daemon("zookeeper-servers: [{host: a}]\n");
  write("zookeeper-servers: [{host: b, chroot: /x}]\nzookeeper-timeout: 3\n");
  assert.equal(await reloader.reload("test"), true);
  assert.deepEqual(reloader.status.pendingKeys, ["zookeeper-servers (chroot)", "zookeeper-timeout"]);
});

test("other ZooKeeper servers are taken at once", async () => {
  const { reloader, write, servers } = await daemon("zookeeper-servers: [{host: a}]\n");
  write("zookeeper-servers: [{host: b}, {host: c}]\n");
  assert.equal(await reloader.reload("test"), true);
  assert.deepEqual(servers, ["b,c"]);
  assert.deepEqual(reloader.status.pendingKeys, []);
});

test("a file that was emptied leaves the old one in force, and a look at it says why", async () => {
  const text = `zookeeper-servers: [{host: a}]\nproviders:\n${provider("a", 1)}`;
  const { reloader, write, events } = await daemon(text);
  events.length = 0;
  for (const emptied of ["", "# to be continued\n", `providers:\n${provider("a", 1)}`]) {
    write(emptied);
    assert.equal(await reloader.reload("test"), false);
    assert.match(
      reloader.status.problems.join(),
      /zookeeper-servers: No ZooKeeper servers specified in config/,
    );
    const found = await reloader.validate(emptied, null);
    assert.deepEqual(
      found.filter(({ severity }) => severity === "error").map(({ file, path }) => [file, path]),
      [["text", "zookeeper-servers"]],
    );
    const [planned] = (await reloader.plan(emptied, null)).problems;
    assert.match(planned ?? "", /^text: zookeeper-servers: No ZooKeeper servers specified in config/);
  }
  assert.deepEqual([events, reloader.status.generation], [[], 1]);
  write(text);
  await reloader.reload("test");
  assert.deepEqual(reloader.status.problems, []);
});

test("what is wrong with a configuration that was sent is not said of the daemon's own files", async () => {
  const { reloader } = await daemon("labels: []\n");
  const found = await reloader.validate("lables: []\n", "zookeeper-servers: [{host: h, port: long}]\n");
  assert.deepEqual(
    found.map(({ file, path }) => [file, path]),
    [
      ["secure_text", "zookeeper-servers[0].port"],
      ["text", "lables"],
    ],
  );
  const { problems } = await reloader.plan("labels: 5\n", null);
  assert.match(problems.join(), /^text:1:9: labels: /);
});

test("relative folders of a configuration that was sent are taken from the daemon's", async () => {
  const { reloader, planned } = await daemon("images-dir: images\n");
  await reloader.plan("images-dir: images\n", null);
  assert.deepEqual(planned, [join(folder, "images")]);
});

test("another configuration is looked at with the clouds that it names", async () => {
  const { reloader } = await daemon("labels: []\n");
  const text = `diskimages: [{name: i}]
providers: [{name: p, driver: openstack, cloud: gone, diskimages: [{name: i}], pools: []}]`;
  const said = (await reloader.validate(text, null)).map(({ path }) => path);
  assert.ok(said.includes("providers[0].cloud"), said.join());
});

test("a provider whose cloud has another password is opened anew, though its own file is the same", async () => {
  const clouds = (password: string) =>
    `clouds: {c: {auth: {auth_url: 'https://k', username: u, password: ${password}, project_name: x}}}`;
  writeFileSync(CLOUDS, clouds("first"));
  after(() => rmSync(CLOUDS, { force: true }));
  const text = `providers: [{name: p, driver: openstack, cloud: c, pools: []}, {name: q, driver: fake, pools: []}]`;
  const { reloader, events } = await daemon(text);
  events.length = 0;
  assert.equal(await reloader.reload("a call"), false, "nothing has changed");
  writeFileSync(CLOUDS, clouds("second"));
  assert.equal(await reloader.reload("a call"), true);
  await nextTurn();
  assert.deepEqual(events, ["start p/Infinity", "take p/Infinity q/Infinity", "stop p/Infinity"]);
  writeFileSync(CLOUDS, "clouds: [");
  assert.equal(await reloader.reload("a call"), false, "what cannot be read is no other cloud");
});

test("a process that adapts its configuration does so with one that it reads anew", async () => {
  const adapt = (config: Config): Config => ({ ...config, imagesDir: "/of/this/process" });
  const { reloader, write } = await daemon("images-dir: /first\n", { adapt });
  write("images-dir: /second\n");
  await reloader.reload("a test");
  assert.equal(reloader.status.config.imagesDir, "/of/this/process");
});
