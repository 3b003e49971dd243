import assert from "node:assert/strict";
import { test } from "node:test";
import { config, diskimage, doing, facts, image, NOW, wait } from "../../test/harness/builder_state.ts";
import { decide } from "./decide.ts";
import { type Disk, diskOf, findRoom, roomProblem, type Sizes } from "./room.ts";

const MiB = 2 ** 20;
const UBUNTU = config([diskimage("ubuntu", { formats: ["qcow2", "raw"] })]);
const SIZES: Sizes = new Map([["ubuntu", { qcow2: 100 * MiB, raw: 900 * MiB, tar: 5000 * MiB }]]);

const room = (disks: Readonly<Record<string, Disk>>) => {
  const found = findRoom(UBUNTU, "/images", {}, SIZES, (folder) => disks[folder] ?? null).get("ubuntu");
  assert.ok(found);
  return found;
};

test("a build fits whose last files fit into images-dir, and the largest of them where it is made", () => {
  const disks = { "/images": { free: 1000 * MiB, device: 1 }, "/tmp": { free: 900 * MiB, device: 2 } };
  assert.equal(roomProblem(room(disks)), null);
});

test("a build that cannot fit is told with both numbers, the folder and the remedy", () => {
  const full = room({ "/images": { free: 999 * MiB, device: 1 }, "/tmp": { free: 900 * MiB, device: 2 } });
  assert.equal(
    roomProblem(full),
    "it needs 1000 MiB in /images by what the last build took, and 999 MiB are free: free some space",
  );
  const temporary = room({
    "/images": { free: 1000 * MiB, device: 1 },
    "/tmp": { free: 899 * MiB, device: 2 },
  });
  assert.match(roomProblem(temporary) ?? "", /900 MiB in \/tmp .* 899 MiB are free: .* TMP_DIR/);
});

test("on one disk both must fit", () => {
  const disk = { free: 1899 * MiB, device: 1 };
  assert.match(
    roomProblem(room({ "/images": disk, "/tmp": disk })) ?? "",
    /needs 1900 MiB for files and temporary/,
  );
});

test("a due build waits for room, says so, and is looked at again", () => {
  const disk = { free: 1, device: 1 };
  const known = facts({ room: new Map([["ubuntu", room({ "/images": disk, "/tmp": disk })]]) });
  const plan = decide([image("ubuntu")], UBUNTU, known);
  const waiting = wait(plan, "build/ubuntu");
  assert.equal(waiting.rule, "no-room");
  assert.match(waiting.reason, /^there is no ready build, but it needs 1900 MiB/);
  assert.equal(waiting.next, NOW + 60);
});

test("builds that run or begin together must fit together", () => {
  const two = config([diskimage("a"), diskimage("b")]);
  const sizes: Sizes = new Map(["a", "b"].map((name) => [name, { qcow2: 100 * MiB }]));
  const plan = (free: number, running: readonly string[] = []) => {
    const found = findRoom(two, "/images", {}, sizes, () => ({ free: free * MiB, device: 1 }));
    return decide([], two, facts({ room: found, buildWorkers: 2, running: new Set(running) }));
  };
  assert.deepEqual(doing(plan(400)), ["build a", "build b"]);
  assert.deepEqual(doing(plan(399)), ["build a"]);
  const { rule, reason } = wait(plan(399), "build/b");
  assert.equal(rule, "no-room");
  assert.match(reason, /needs 200 MiB .* 199 MiB are free: wait for the builds that run, or free some space/);
  assert.equal(wait(plan(300, ["build/a"]), "build/b").rule, "no-room");
  assert.deepEqual(doing(plan(400, ["build/a"])), ["build b"]);
});

test("nothing is known of an image that was never built", () => {
  const found = findRoom(UBUNTU, "/images", {}, new Map(), () => ({ free: 0, device: 1 })).get("ubuntu");
  assert.ok(found);
  assert.equal(roomProblem(found), null);
});

test("a folder that is not there yet is on the disk of the one above it", () => {
  assert.deepEqual(diskOf("/no/such/folder")?.device, diskOf("/")?.device);
});
