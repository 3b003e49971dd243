import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DiskImageConfig } from "../../lib/config/types.ts";
import { diskimage } from "../../test/harness/builder_state.ts";
import { type BuildOrder, buildCommand, buildEnvironment } from "./build_command.ts";

function order(given: Partial<DiskImageConfig> = {}, more: Partial<BuildOrder> = {}): BuildOrder {
  return {
    diskimage: diskimage("ubuntu", given),
    build: "0123",
    workspace: "/work",
    stem: "/images/ubuntu-0123",
    elementsDir: "/etc/elements",
    env: { PATH: "/bin", LANG: "C" },
    packageDir: "/opt/nodepool",
    logPath: "/var/log/ubuntu-0123.log",
    ...more,
  };
}

describe("the command line", () => {
  test("has Nodepool's arguments in Nodepool's order", () => {
    const given = { dibCommand: "disk-image-create -n", elements: ["fedora", "vm"], formats: ["raw"] };
    assert.deepEqual(buildCommand(order(given)), [
      ...["disk-image-create", "-n", "-x", "-t", "raw", "--checksum", "--no-tmpfs"],
      ...["-o", "/images/ubuntu-0123", "fedora", "vm"],
    ]);
  });

  test("keeps qcow2 readable for old clouds", () => {
    const words = buildCommand(order({ formats: ["qcow2", "raw"] }));
    assert.deepEqual(words.slice(1, 8), [
      ...["-x", "-t", "qcow2,raw", "--checksum", "--no-tmpfs", "--qemu-img-options", "compat=0.10"],
    ]);
  });

  test("leaves qcow2's options to a dib-cmd that has its own", () => {
    const dibCommand = "disk-image-create --qemu-img-options compat=1.1";
    assert.deepEqual(buildCommand(order({ dibCommand })).slice(1, 8), [
      ...["--qemu-img-options", "compat=1.1", "-x", "-t", "qcow2", "--checksum", "--no-tmpfs"],
    ]);
  });

  test("names squashfs first, where diskimage-builder honours it", () => {
    assert.equal(buildCommand(order({ formats: ["qcow2", "squashfs", "tar"] }))[3], "squashfs,qcow2,tar");
  });

  test("puts the package's folder for %p", () => {
    assert.equal(
      buildCommand(order({ dibCommand: "%p/fake-image-create" }))[0],
      "/opt/nodepool/fake-image-create",
    );
  });

  test("an unreadable dib-cmd is a failure that names the image", () => {
    assert.throws(
      () => buildCommand(order({ dibCommand: "dib 'x" })),
      /dib-cmd or elements of ubuntu .* not closed/,
    );
  });
});

describe("the environment", () => {
  test("is the builder's own with Nodepool's variables, and env-vars over all", () => {
    const given = { release: "noble", envVars: { DIB_RELEASE: "jammy", EXTRA: "1" } };
    assert.deepEqual(buildEnvironment(order(given, { env: { PATH: "/bin", GONE: undefined } })), {
      PATH: "/bin",
      DIB_RELEASE: "jammy",
      DIB_IMAGE_NAME: "ubuntu",
      DIB_IMAGE_FILENAME: "/images/ubuntu-0123",
      ELEMENTS_PATH: "/etc/elements",
      EXTRA: "1",
      TMP_DIR: "/work",
      TMPDIR: "/work",
      NODEPOOL_BUILD_ID: "0123",
    });
  });

  test("has no ELEMENTS_PATH without elements-dir, and an empty DIB_RELEASE without a release", () => {
    const variables = buildEnvironment(order({}, { elementsDir: null }));
    assert.equal(variables.DIB_RELEASE, "");
    assert.ok(!("ELEMENTS_PATH" in variables));
  });
});
