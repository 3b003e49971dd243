import assert from "node:assert/strict";
import { test } from "node:test";
import { phaseOf } from "./progress.ts";

test("a hook that dib runs names the phase", () => {
  const line = "dib-run-parts Sun Nov 22 22:00:00 UTC 2026 Running /tmp/in_target.d/install.d/10-user\n";
  assert.equal(phaseOf(line), "installing");
});

test("the hooks of a phase outside the image name it too", () => {
  assert.equal(
    phaseOf("2026-11-22 22:00:00.123 | Running hooks from /tmp/dib.x/hooks/root.d\n"),
    "making the root filesystem",
  );
});

test("pre-install is not install", () => {
  assert.equal(phaseOf("Running /tmp/in_target.d/pre-install.d/00-a"), "preparing the installation");
});

test("the last phase of a piece of output counts", () => {
  assert.equal(phaseOf("Running /h/root.d/1\nx\nRunning /h/cleanup.d/1\ny\n"), "cleaning up");
});

test("the conversion at the end is a phase", () => {
  assert.equal(phaseOf("Converting image using qemu-img convert\n"), "converting the image");
});

test("another command may announce its phases", () => {
  assert.equal(phaseOf("nodepool-phase: packing files\n"), "packing files");
});

test("ordinary output begins no phase", () => {
  assert.equal(phaseOf("Running 3 tests\n+ set -eu\nroot.d\n"), null);
});
