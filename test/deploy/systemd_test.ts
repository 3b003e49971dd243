// The systemd units are checked by systemd itself. It wants the unit's programs to be there, and on a machine where
// Nodepool is not installed they are not: so a copy of each unit is checked in which a stand-in takes their place.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { runCommand } from "../harness/program.ts";
import { findProgram } from "./engine.ts";

const TOP = fileURLToPath(new URL("../../", import.meta.url));
const skip = (await findProgram("systemd-analyze")) === null ? "systemd-analyze is not installed" : false;

const readUnit = (name: string) => readFile(`${TOP}/deploy/systemd/${name}.service`, "utf8");

/** What systemd says about a unit's text; it says nothing about one that is right. */
async function verify(name: string, unit: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "nodepool-units-"));
  try {
    const program = path.join(folder, "program");
    await writeFile(program, "#!/bin/sh\n", { mode: 0o755 });
    const file = path.join(folder, `${name}.service`);
    await writeFile(file, unit.replace(/^ExecStart=\S+/m, `ExecStart=${program}`));
    const { stdout, stderr } = await runCommand("systemd-analyze", ["verify", "--man=no", file]);
    return stdout + stderr;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

for (const name of ["nodepool-builder", "nodepool-launcher"]) {
  describe(`deploy/systemd/${name}.service`, () => {
    test("is a unit that systemd accepts without a remark", { skip }, async () => {
      assert.equal(await verify(name, await readUnit(name)), "");
    });

    test("would be remarked upon with a misspelt key", { skip }, async () => {
      const unit = (await readUnit(name)).replace("KillMode=", "KillMod=");
      assert.match(await verify(name, unit), /Unknown key/);
    });

    test("starts a program that the package installs, with the usual configuration", async () => {
      const { bin } = JSON.parse(await readFile(`${TOP}/package.json`, "utf8"));
      const command = /^ExecStart=\/usr\/local\/bin\/(\S+) -c \/etc\/nodepool\/nodepool.yaml$/m.exec(
        await readUnit(name),
      );
      assert.equal(command?.[1], name);
      assert.ok(Object.keys(bin).includes(name), `${name} is not among ${Object.keys(bin).join(", ")}`);
    });

    test("is reloaded by SIGHUP, and started again by one that comes before the daemon listens for it", async () => {
      const lines = (await readUnit(name)).split("\n");
      for (const line of ["ExecReload=/bin/kill -HUP $MAINPID", "RestartForceExitStatus=SIGHUP"]) {
        assert.ok(lines.includes(line), `${line} is missing`);
      }
    });

    test("runs as the user nodepool and stops by SIGTERM to the daemon alone", async () => {
      const lines = (await readUnit(name)).split("\n");
      for (const line of ["User=nodepool", "Group=nodepool", "KillSignal=SIGTERM", "KillMode=mixed"]) {
        assert.ok(lines.includes(line), `${line} is missing`);
      }
    });
  });
}

/** What turns NoNewPrivileges on for a user that is not root, and cannot be overridden: systemd.exec(5). */
const IMPLY_NO_NEW_PRIVILEGES = [
  "DynamicUser",
  "LockPersonality",
  "MemoryDenyWriteExecute",
  "PrivateDevices",
  "ProtectClock",
  "ProtectHostname",
  "ProtectKernelLogs",
  "ProtectKernelModules",
  "ProtectKernelTunables",
  "RestrictAddressFamilies",
  "RestrictNamespaces",
  "RestrictRealtime",
  "RestrictSUIDSGID",
  "SystemCallArchitectures",
  "SystemCallFilter",
  "SystemCallLog",
];

/** What closes devices to a unit, loop devices among them. */
const CLOSE_DEVICES = ["DeviceAllow", "DevicePolicy", "PrivateDevices", "ProtectClock"];

describe("the builder's unit, whose disk-image-create calls sudo and makes loop devices,", () => {
  const settings = async () =>
    (await readUnit("nodepool-builder")).split("\n").flatMap((line) => /^(\w+)=/.exec(line)?.[1] ?? []);

  test("lets sudo gain privileges", async () => {
    const refusing = ["NoNewPrivileges", "CapabilityBoundingSet", ...IMPLY_NO_NEW_PRIVILEGES];
    assert.deepEqual(
      (await settings()).filter((name) => refusing.includes(name)),
      [],
    );
  });

  test("leaves loop devices open", async () => {
    assert.deepEqual(
      (await settings()).filter((name) => CLOSE_DEVICES.includes(name)),
      [],
    );
  });
});
