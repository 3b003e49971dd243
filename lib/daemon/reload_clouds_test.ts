import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CLOUDS, reloadingDaemon } from "../../test/harness/reloading_daemon.ts";
import type { Config } from "../config/types.ts";

afterEach(() => rmSync(CLOUDS, { force: true }));

const clouds = (password: string, more = "") =>
  `clouds: {c: {auth: {auth_url: 'https://k', username: u, password: ${password}, project_name: x}${more}}}`;
const rawClouds = clouds("p", ", image_format: raw");
const withImage = `labels: []
diskimages: [{name: i}]
providers: [{name: p, driver: openstack, cloud: c, diskimages: [{name: i}], pools: []}]
`;
const formatsOf = (config: Config) => [
  config.providers[0]?.imageFormat,
  ...(config.diskimages.get("i")?.formats ?? []),
];

test("another configuration is looked at with the clouds that it names", async () => {
  const { reloader } = await reloadingDaemon("labels: []\n");
  const text = `diskimages: [{name: i}]
providers: [{name: p, driver: openstack, cloud: gone, diskimages: [{name: i}], pools: []}]`;
  const said = (await reloader.validate(text, null)).map(({ path }) => path);
  assert.ok(said.includes("providers[0].cloud"), said.join());
});

test("a provider whose cloud has another password is opened anew, though its own file is the same", async () => {
  writeFileSync(CLOUDS, clouds("first"));
  const text = `providers: [{name: p, driver: openstack, cloud: c, pools: []}, {name: q, driver: fake, pools: []}]`;
  const { reloader, events } = await reloadingDaemon(text);
  events.length = 0;
  assert.equal(await reloader.reload("a call"), false, "nothing has changed");
  writeFileSync(CLOUDS, clouds("second"));
  assert.equal(await reloader.reload("a call"), true);
  await nextTurn();
  assert.deepEqual(events, ["start p/Infinity", "take p/Infinity q/Infinity", "stop p/Infinity"]);
  writeFileSync(CLOUDS, "clouds: [");
  assert.equal(await reloader.reload("a call"), false, "what cannot be read is no other cloud");
});

test("a cloud that cannot be read at the moment keeps its image format, and its provider", async () => {
  writeFileSync(CLOUDS, rawClouds);
  const { reloader, write, events } = await reloadingDaemon(withImage);
  events.length = 0;
  writeFileSync(CLOUDS, "clouds: [");
  write(withImage.replace("labels: []", "labels: [{name: l}]"));
  assert.equal(await reloader.reload("a test"), true);
  assert.deepEqual(events, ["take p/Infinity"]);
  assert.deepEqual(formatsOf(reloader.status.config), ["raw", "raw"]);
  const [warning] = reloader.status.config.warnings.filter(({ path }) => path.endsWith(".cloud"));
  assert.match(warning?.message ?? "", /^cannot be read, so its image_format is taken to be raw as before: /);
});

test("a configuration that is looked at has the image format of a cloud that cannot be read at the moment", async () => {
  writeFileSync(CLOUDS, rawClouds);
  const { reloader, planned } = await reloadingDaemon(withImage);
  writeFileSync(CLOUDS, "clouds: [");
  await reloader.plan(withImage, null);
  assert.deepEqual(planned.map(formatsOf), [["raw", "raw"]]);
});

test("a provider that names another cloud than before, which cannot be read, has nothing of the old one", async () => {
  writeFileSync(CLOUDS, rawClouds);
  const { reloader, write } = await reloadingDaemon(withImage);
  write(withImage.replace("cloud: c", "cloud: d"));
  assert.equal(await reloader.reload("a test"), true);
  assert.deepEqual(formatsOf(reloader.status.config), ["qcow2", "qcow2"]);
});

test("a provider is tried again with what is said of its cloud by then", async () => {
  const broken = new Set(["p"]);
  const { retry, taken } = await reloadingDaemon(withImage, { broken });
  broken.clear();
  writeFileSync(CLOUDS, rawClouds);
  await retry();
  assert.deepEqual(taken.map(formatsOf), [["raw", "raw"]]);
});

test("a provider is tried again with the configuration in force while the file cannot be used", async () => {
  const broken = new Set(["p"]);
  const { write, retry, events, valid } = await reloadingDaemon(withImage, { broken });
  broken.clear();
  events.length = 0;
  write("labels: 5\n");
  await retry();
  assert.deepEqual(events, ["start p/Infinity", "take p/Infinity"]);
  assert.deepEqual([...new Set(valid)], [false], "what is wrong with the file is still said");
});
