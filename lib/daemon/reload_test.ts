import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { folder, reloadingDaemon } from "../../test/harness/reloading_daemon.ts";
import type { Config } from "../config/types.ts";

const provider = (name: string, concurrency: number) =>
  `- {name: ${name}, driver: fake, max-concurrency: ${concurrency}}\n`;

test("a changed file is one generation more; unchanged providers stay, old ones stop after the change", async () => {
  const one = `providers:\n${provider("a", 1)}${provider("b", 1)}${provider("c", 1)}`;
  const { reloader, write, events } = await reloadingDaemon(one);
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
  const { reloader, write, events } = await reloadingDaemon(`providers:\n${provider("a", 1)}`, {
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
  const { reloader, providers, write, events } = await reloadingDaemon(
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
  const { reloader, write, errors, valid } = await reloadingDaemon("labels: [{name: a}]\n");
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
  const { reloader, write, events } = await reloadingDaemon(`providers:\n${provider("a", 1)}`, {
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
  const { reloader, retry, events, timers } = await reloadingDaemon(`providers:\n${provider("a", 1)}`, {
    broken,
  });
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
  const { reloader, write } = await reloadingDaemon("zookeeper-servers: [{host: a}]\n");
  write("zookeeper-servers: [{host: b, chroot: /x}]\nzookeeper-timeout: 3\n");
  assert.equal(await reloader.reload("test"), true);
  assert.deepEqual(reloader.status.pendingKeys, ["zookeeper-servers (chroot)", "zookeeper-timeout"]);
});

test("other ZooKeeper servers are taken at once", async () => {
  const { reloader, write, servers } = await reloadingDaemon("zookeeper-servers: [{host: a}]\n");
  write("zookeeper-servers: [{host: b}, {host: c}]\n");
  assert.equal(await reloader.reload("test"), true);
  assert.deepEqual(servers, ["b,c"]);
  assert.deepEqual(reloader.status.pendingKeys, []);
});

test("a file that was emptied leaves the old one in force, and a look at it says why", async () => {
  const text = `zookeeper-servers: [{host: a}]\nproviders:\n${provider("a", 1)}`;
  const { reloader, write, events } = await reloadingDaemon(text);
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

test("a file that is away while it is replaced is waited for, for a while", async () => {
  const { reloader, write, remove, pauses } = await reloadingDaemon("labels: [{name: a}]\n", {
    whilePausing: (count) => {
      if (count === 2) write("labels: [{name: b}]\n");
    },
  });
  remove();
  assert.equal(await reloader.reload("test"), true);
  assert.deepEqual(pauses, [250, 250]);
  remove();
  assert.equal(await reloader.reload("test"), false);
  assert.match(reloader.status.problems.join(), /does not exist; create it/);
  assert.deepEqual(pauses.slice(2), [250, 250, 250]);
});

test("a name in a file that does not exist is no reason to wait for the file", async () => {
  const { reloader, write, pauses } = await reloadingDaemon("labels: [{name: a}]\n");
  const pools = "[{name: main, max-servers: 1, labels: [{name: a, cloud-image: y, min-ram: 1}]}]";
  write(`labels: [{name: a}]\nproviders: [{name: p, driver: openstack, cloud: c, pools: ${pools}}]\n`);
  assert.equal(await reloader.reload("test"), false);
  assert.match(reloader.status.problems.join(), /cloud-image y does not exist in provider p/);
  assert.deepEqual(pauses, []);
});

test("what is wrong with a configuration that was sent is not said of the daemon's own files", async () => {
  const { reloader } = await reloadingDaemon("labels: []\n");
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
  const { reloader, planned } = await reloadingDaemon("images-dir: images\n");
  await reloader.plan("images-dir: images\n", null);
  assert.deepEqual(
    planned.map(({ imagesDir }) => imagesDir),
    [join(folder, "images")],
  );
});

test("a process that adapts its configuration does so with one that it reads anew", async () => {
  const adapt = (config: Config): Config => ({ ...config, imagesDir: "/of/this/process" });
  const { reloader, write } = await reloadingDaemon("images-dir: /first\n", { adapt });
  write("images-dir: /second\n");
  await reloader.reload("a test");
  assert.equal(reloader.status.config.imagesDir, "/of/this/process");
});
