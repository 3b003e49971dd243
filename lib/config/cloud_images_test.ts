import assert from "node:assert/strict";
import { test } from "node:test";
import { cloudImageOf } from "./cloud_images.ts";
import { parseConfig } from "./load.ts";

const settings = {
  "cloud-images": [
    { name: "windows", "connection-type": "winrm", username: "admin", "shell-type": "cmd" },
    { name: "other", "connection-port": 2222, "python-path": "/usr/bin/python3" },
  ],
};

test("a cloud image has the keys of its entry, and Nodepool's defaults for the rest", () => {
  assert.deepEqual(cloudImageOf({ settings }, "windows"), {
    username: "admin",
    pythonPath: "auto",
    shellType: "cmd",
    connectionType: "winrm",
    connectionPort: 5986,
  });
  const { connectionPort, connectionType, pythonPath } = cloudImageOf({ settings }, "other");
  assert.deepEqual([connectionPort, connectionType, pythonPath], [2222, "ssh", "/usr/bin/python3"]);
});

test("an image that is not listed is reached by SSH on its usual port", () => {
  const { connectionPort, username } = cloudImageOf({ settings: {} }, "unlisted");
  assert.deepEqual([connectionPort, username], [22, null]);
});

test("what a file says of a cloud image counts as the file was read: digits in quotes, a name that is a number", () => {
  const text =
    "providers: [{name: p, cloud: c, cloud-images: [{name: 9, connection-port: '2222', username: 1000}]}]";
  const [provider] = parseConfig(text, "f").providers;
  assert.ok(provider !== undefined);
  const { connectionPort, username } = cloudImageOf(provider, "9");
  assert.deepEqual([connectionPort, username], [2222, "1000"]);
});
