import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { CloudConfigError, readCloudFiles } from "./files.ts";

const folders: string[] = [];
after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

/** A folder with these files. */
async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "nodepool-clouds-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

describe("the files of openstacksdk", () => {
  const names = async (env: Readonly<Record<string, string>>) =>
    Object.keys((await readCloudFiles(env)).clouds);

  test("they are looked for below the home or XDG_CONFIG_HOME, as YAML or JSON", async () => {
    const folder = await folderWith({
      ".config/openstack/clouds.yml": "clouds: {home: {}}",
      "xdg/openstack/clouds.json": '{"clouds": {"xdg": {}}}',
    });
    assert.deepEqual(await names({ HOME: folder }), ["home"]);
    assert.deepEqual(await names({ HOME: folder, XDG_CONFIG_HOME: join(folder, "xdg") }), ["xdg"]);
  });

  test("one that the environment names goes before those", async () => {
    const folder = await folderWith({
      ".config/openstack/clouds.yaml": "clouds: {home: {}}",
      "mine.yaml": "clouds: {mine: {}}",
    });
    assert.deepEqual(await names({ HOME: folder, OS_CLIENT_CONFIG_FILE: join(folder, "mine.yaml") }), [
      "mine",
    ]);
  });

  test("a user without a home has none there", async () => {
    assert.equal((await readCloudFiles({ HOME: "/dev/null" })).path, null);
  });

  test("what secure.yaml says goes before what clouds.yaml says", async () => {
    const folder = await folderWith({
      ".config/openstack/clouds.yaml": "clouds: {c: {auth: {username: u, password: old}}}",
      ".config/openstack/secure.yaml": "clouds: {c: {auth: {password: new}}}",
    });
    const { clouds } = await readCloudFiles({ HOME: folder });
    assert.deepEqual(clouds.c, { auth: { username: "u", password: "new" } });
  });

  test("a cloud may start from another by an anchor", async () => {
    const path = ".config/openstack/clouds.yaml";
    const folder = await folderWith({ [path]: "clouds: {a: &a {verify: no}, b: {<<: *a, region_name: r}}" });
    const { clouds } = await readCloudFiles({ HOME: folder });
    assert.deepEqual(clouds.b, { verify: false, region_name: "r" });
  });

  const cloudOf = async (lines: readonly string[]) => {
    const folder = await folderWith({ "clouds.yaml": lines.join("\n") });
    return (await readCloudFiles({ OS_CLIENT_CONFIG_FILE: join(folder, "clouds.yaml") })).clouds.c;
  };

  test("of a key that is given twice the last one counts", async () => {
    const cloud = await cloudOf(["clouds:", "  c:", "    region_name: one", "    region_name: two"]);
    assert.deepEqual(cloud, { region_name: "two" });
  });

  test("what is between brackets may stand at any indentation", async () => {
    const cloud = await cloudOf(["clouds:", "  c:", "    auth: {", "  username: u, password: p,", "    }"]);
    assert.deepEqual(cloud, { auth: { username: "u", password: "p" } });
  });

  test("a password that needs quotes and has none is named by its line, and told nowhere", async (t) => {
    const secret = "hunter2";
    const warnings: string[] = [];
    t.mock.method(process, "emitWarning", (warning: string | Error) => void warnings.push(String(warning)));
    for (const sign of ["*", "!", "!!", "!<"]) {
      const lines = ["clouds:", "  c:", `    auth: {username: u, password: ${sign}${secret}}`];
      const error = await cloudOf(lines).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof CloudConfigError, sign);
      assert.match(
        error.message,
        /clouds\.yaml:3:\d+: .*; write a value that begins with \* or ! in quotes$/,
      );
      assert.ok(!error.message.includes(secret), error.message);
    }
    assert.deepEqual(warnings, []);
  });

  test("an empty file has no clouds, one that is no mapping is refused, and so is what cannot be read", async () => {
    const folder = await folderWith({ "empty.yaml": "", "list.yaml": "- clouds" });
    const read = (name: string) => readCloudFiles({ OS_CLIENT_CONFIG_FILE: join(folder, name) });
    assert.deepEqual((await read("empty.yaml")).clouds, {});
    for (const [name, message] of [
      ["list.yaml", /list\.yaml must be a mapping with the key clouds/],
      ["", /nodepool-clouds-.* cannot be read/],
    ] as const) {
      const error = await read(name).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof CloudConfigError);
      assert.match(error.message, message);
    }
  });
});
