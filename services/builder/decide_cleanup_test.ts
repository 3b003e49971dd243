import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DiskImageConfig } from "../../lib/config/types.ts";
import {
  type BuildGiven,
  buildEntry,
  config,
  diskimage,
  doing,
  FRESH,
  facts,
  image,
  local,
  NOW,
  pool,
  provider,
  UBUNTU,
  type UploadGiven,
  wait,
} from "../../test/harness/builder_state.ts";
import { decide } from "./decide.ts";
import type { LocalBuild, Plan } from "./plan.ts";

/** What is deleted; that a build whose files are gone is built anew is another matter. */
const deletions = (plan: Plan) => doing(plan).filter((action) => action.startsWith("delete"));

describe("keeping and deleting", () => {
  const uploaded = (id: string, age: number): BuildGiven => ({
    id,
    age,
    uploads: [{ id: "1", provider: "cloud", age: age - 1 }],
  });

  test("the two newest builds and uploads are kept, the third goes: first its upload, then the build", () => {
    const list = [uploaded("b1", 100), uploaded("b2", 200), uploaded("b3", 300)];
    assert.deepEqual(doing(decide([image("ubuntu", { list })], UBUNTU, facts())), [
      "delete-upload b3/cloud/1",
    ]);
    const deleted = [uploaded("b1", 100), uploaded("b2", 200), { id: "b3", age: 300 }];
    assert.deepEqual(doing(decide([image("ubuntu", { list: deleted })], UBUNTU, facts())), [
      "delete-build b3",
    ]);
  });

  test("an older build stays while it backs one of the two newest uploads of a provider", () => {
    const list = [{ id: "b1", age: 100 }, uploaded("b2", 200), uploaded("b3", 300)];
    const plan = decide([image("ubuntu", { list })], UBUNTU, facts());
    assert.deepEqual(deletions(plan), []);
    assert.match(wait(plan, "delete-build/ubuntu/b3").reason, /after its uploads at cloud/);
  });

  test("an upload whose deletion is asked for while it is sent waits for its end, when it can be found", () => {
    const upload = { id: "1", provider: "cloud", age: 9, state: "deleting", externalId: null } as const;
    const under = (uploading: readonly string[]) => {
      const list = [{ id: "b1", age: 100, uploads: [upload], uploading }];
      return decide([image("ubuntu", { list })], UBUNTU, facts());
    };
    const plan = under(["cloud"]);
    assert.deepEqual(deletions(plan), []);
    assert.match(wait(plan, "delete-upload/ubuntu/b1/cloud/1").reason, /when its upload has ended/);
    assert.deepEqual(deletions(under([])), ["delete-upload b1/cloud/1"]);
  });

  test("a deleted newest upload lets the previous one be the newest", () => {
    const newest = {
      id: "b1",
      age: 100,
      uploads: [{ id: "1", provider: "cloud", age: 9, state: "deleting" as const }],
    };
    const list = [newest, uploaded("b2", 200), uploaded("b3", 300)];
    const plan = decide([image("ubuntu", { list })], UBUNTU, facts());
    assert.deepEqual(deletions(plan), ["delete-upload b1/cloud/1"]);
  });

  test("a build whose deletion was asked for loses its uploads, then itself, and is built anew", () => {
    const doomed = { ...uploaded("b1", 100), state: "deleting" as const };
    assert.deepEqual(doing(decide([image("ubuntu", { list: [doomed] })], UBUNTU, facts())), [
      "delete-upload b1/cloud/1",
      "build ubuntu",
    ]);
    const { uploads: _, ...bare } = doomed;
    assert.deepEqual(doing(decide([image("ubuntu", { list: [bare] })], UBUNTU, facts())), [
      "delete-build b1",
      "build ubuntu",
    ]);
  });

  test("uploads at a provider that no longer lists the image go, its builds stay", () => {
    const emptied = config([diskimage("ubuntu")], [provider("cloud", [])]);
    const plan = decide([image("ubuntu", { list: [uploaded("b1", 100)] })], emptied, facts());
    assert.deepEqual(doing(plan), ["delete-upload b1/cloud/1"]);
  });

  test("uploads at a provider that is given up go, also the newest; a closed pool changes nothing", () => {
    const after = (...numbers: number[]) => {
      const pools = numbers.map((maxServers, index) => pool(`${index}`, maxServers));
      const leaving = config([diskimage("ubuntu")], [provider("cloud", ["ubuntu"], { pools })]);
      return doing(
        decide([image("ubuntu", { list: [FRESH] })], leaving, facts({ here: [local("ubuntu", "b1")] })),
      );
    };
    assert.deepEqual(after(-1), ["delete-upload b1/cloud/1"]);
    assert.deepEqual(after(-1, -1), ["delete-upload b1/cloud/1"]);
    assert.deepEqual(after(0), []);
    assert.deepEqual(after(-1, 3), []);
  });

  test("the newest uploads at a provider that is given up stay while a Python builder, which would upload them again, runs", () => {
    const pools = [pool("main", -1)];
    const leaving = config([diskimage("ubuntu")], [provider("cloud", ["ubuntu"], { pools })]);
    const list = [uploaded("b1", 100), uploaded("b2", 200), uploaded("b3", 300)];
    const plan = decide([image("ubuntu", { list })], leaving, facts({ besidePython: true }));
    assert.deepEqual(deletions(plan), ["delete-upload b3/cloud/1"]);
    assert.match(wait(plan, "delete-upload/ubuntu/b1/cloud/1").reason, /a Python builder runs/);
  });

  test("uploads at a provider that is not configured are never touched and keep their build", () => {
    const elsewhere = (id: string, age: number) => ({
      id,
      age,
      uploads: [{ id: "1", provider: "gone", age }],
    });
    const list = [uploaded("b1", 100), uploaded("b2", 200), elsewhere("b3", 300), elsewhere("b4", 400)];
    const more = [...list, elsewhere("b5", 500)];
    const plan = decide([image("ubuntu", { list: more })], UBUNTU, facts());
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "delete-upload/ubuntu/b5/gone/1").rule, "not-ours");
  });

  test("an upload that its builder left is deleted; one whose lock is held is not", () => {
    const uploads = [{ id: "1", provider: "cloud", age: 5, state: "uploading" as const }];
    const left = decide([image("ubuntu", { list: [{ id: "b1", age: 9, uploads }] })], UBUNTU, facts());
    assert.deepEqual(deletions(left), ["delete-upload b1/cloud/1"]);
    const list = [{ id: "b1", age: 9, uploads, uploading: ["cloud"] }];
    const held = decide([image("ubuntu", { list })], UBUNTU, facts());
    assert.deepEqual(doing(held), []);
    assert.equal(wait(held, "delete-upload/ubuntu/b1/cloud/1").rule, "in-use");
  });

  test("a failed upload is kept to be seen until the next attempt", () => {
    const failed = { id: "1", provider: "cloud", age: 50, state: "failed" as const, externalId: null };
    const only = decide(
      [image("ubuntu", { list: [{ id: "b1", age: 90, uploads: [failed] }] })],
      UBUNTU,
      facts(),
    );
    assert.deepEqual(deletions(only), []);
    const uploads = [failed, { id: "2", provider: "cloud", age: 5 }];
    const plan = decide([image("ubuntu", { list: [{ id: "b1", age: 90, uploads }] })], UBUNTU, facts());
    assert.deepEqual(deletions(plan), ["delete-upload b1/cloud/1"]);
  });

  test("a failed build is kept to be seen until the next attempt", () => {
    const failed = { id: "b2", age: 50, state: "failed" as const };
    const plan = decide([image("ubuntu", { list: [FRESH, failed] })], UBUNTU, facts());
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "delete-build/ubuntu/b2").rule, "last-word");
    const newer = { ...FRESH, id: "b3", age: 10 };
    assert.deepEqual(doing(decide([image("ubuntu", { list: [newer, failed] })], UBUNTU, facts())), [
      "delete-build b2",
    ]);
  });

  test("a build that this builder left in the middle is deleted; one that it still runs is not", () => {
    const list = [FRESH, { id: "b2", age: 5, state: "building" as const }];
    assert.deepEqual(doing(decide([image("ubuntu", { list })], UBUNTU, facts())), ["delete-build b2"]);
    const building = facts({ building: new Set(["b2"]), running: new Set(["build/ubuntu"]) });
    const plan = decide([image("ubuntu", { list })], UBUNTU, building);
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "delete-build/ubuntu/b2").rule, "in-use");
  });

  test("a ready build that another builder has yet to upload stays", () => {
    const none = config([diskimage("ubuntu")], []);
    const list = [{ id: "b1", age: 5, builderId: "you" }];
    assert.deepEqual(doing(decide([image("ubuntu", { list })], none, facts())), []);
  });

  test("an image that was removed from the configuration goes if it was built here, else it is left alone", () => {
    const removed = config([], [provider("cloud", [])]);
    const mine = [{ ...uploaded("b1", 100) }];
    assert.deepEqual(doing(decide([image("ubuntu", { list: mine })], removed, facts())), [
      "delete-upload b1/cloud/1",
    ]);
    const theirs = [{ ...uploaded("b1", 100), builderId: "you" }];
    const plan = decide([image("ubuntu", { list: theirs })], removed, facts());
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "delete-build/ubuntu/b1").rule, "not-ours");
  });

  test("a record that cannot be read is left alone and shown", () => {
    const broken = buildEntry("ubuntu", FRESH);
    const builds = [{ ...broken, record: null, problem: "'state' is 7" }];
    const plan = decide([image("ubuntu", { builds })], config([], []), facts());
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "delete-build/ubuntu/b1").reason, "'state' is 7");
  });

  test("uploads of a build whose record cannot be read stay, but for those that somebody wants to be deleted", () => {
    const uploads = [
      { id: "1", provider: "cloud", age: 9 },
      { id: "2", provider: "cloud", age: 9, state: "deleting" as const },
    ];
    const builds = [
      { ...buildEntry("ubuntu", { id: "b1", age: 100, uploads }), record: null, problem: "no JSON" },
    ];
    const plan = decide([image("ubuntu", { builds })], UBUNTU, facts());
    assert.deepEqual(deletions(plan), ["delete-upload b1/cloud/2"]);
    assert.equal(wait(plan, "delete-upload/ubuntu/b1/cloud/1").rule, "unreadable");
  });

  test("a provider that fails to delete is waited out", () => {
    const setback = { failures: 1, until: NOW + 5, error: "503", requestTime: null };
    const setbacks = new Map([["delete-upload/ubuntu/b3/cloud/1", setback]]);
    const list = [uploaded("b1", 100), uploaded("b2", 200), uploaded("b3", 300)];
    const plan = decide([image("ubuntu", { list })], UBUNTU, facts({ setbacks }));
    assert.deepEqual(doing(plan), []);
    assert.equal(plan.next, NOW + 5);
  });

  test("what another process is deleting is looked at again", () => {
    const setback = { failures: 0, until: NOW + 5, error: null, requestTime: null };
    const setbacks = new Map([["delete-upload/ubuntu/b3/cloud/1", setback]]);
    const list = [uploaded("b1", 100), uploaded("b2", 200), uploaded("b3", 300)];
    const plan = decide([image("ubuntu", { list })], UBUNTU, facts({ setbacks }));
    const { rule, reason } = wait(plan, "delete-upload/ubuntu/b3/cloud/1");
    assert.equal(rule, "locked");
    assert.match(reason, /^another process is at it; it is looked at again at /);
  });
});

describe("local files", () => {
  const none = config([]);
  const files = (given: Partial<LocalBuild> = {}) => facts({ here: [local("ubuntu", "b1", given)] });

  test("an empty ZooKeeper deletes nothing: first somebody looks whether it ever knew the build", () => {
    assert.deepEqual(doing(decide([], none, files())), ["examine-files b1"]);
  });

  test("files of a build that this ZooKeeper never held are left alone for good", () => {
    const plan = decide([], none, files({ standing: "foreign" }));
    assert.deepEqual(doing(plan), []);
    assert.match(wait(plan, "files/ubuntu/b1").reason, /never held the record/);
  });

  test("files of a build that this ZooKeeper held and deleted go", () => {
    assert.deepEqual(doing(decide([], none, files({ standing: "gone" }))), ["delete-files b1 all"]);
  });

  test("files of a build that is being deleted or has failed go", () => {
    for (const state of ["deleting", "failed"] as const) {
      const uploads = [{ id: "1", provider: "gone", age: 5 }];
      const plan = decide(
        [image("ubuntu", { list: [{ id: "b1", age: 9, state, uploads }] })],
        UBUNTU,
        files(),
      );
      assert.ok(doing(plan).includes("delete-files b1 all"), state);
    }
  });

  test("files of a build under way or on their way to a provider stay", () => {
    const list = [{ id: "b1", age: 9, state: "deleting" as const }];
    const given = { here: [local("ubuntu", "b1")] };
    const building = decide([], none, facts({ ...given, building: new Set(["b1"]) }));
    assert.deepEqual(doing(building), []);
    const uploading = facts({ ...given, running: new Set(["upload/ubuntu/b1/cloud"]) });
    assert.ok(!doing(decide([image("ubuntu", { list })], none, uploading)).includes("delete-files b1 all"));
  });

  test("delete-after-upload deletes a format when all its takers have it, unless it is to be kept", () => {
    const spend = (given: Partial<DiskImageConfig>, uploads: readonly UploadGiven[]) => {
      const image1 = diskimage("ubuntu", { formats: ["qcow2", "raw"], deleteAfterUpload: true, ...given });
      const both = config([image1], [provider("cloud", ["ubuntu"]), provider("other", ["ubuntu"])]);
      const list = [{ id: "b1", age: 9, formats: "qcow2,raw", uploads }];
      return doing(decide([image("ubuntu", { list })], both, files({ formats: new Set(["qcow2", "raw"]) })));
    };
    const cloud = { id: "1", provider: "cloud", age: 5 };
    const other = { id: "1", provider: "other", age: 5 };
    assert.deepEqual(spend({}, [cloud]), ["upload b1 to other"]);
    assert.deepEqual(spend({}, [cloud, other]), ["delete-files b1 qcow2"]);
    assert.deepEqual(spend({ keepFormats: ["qcow2"] }, [cloud, other]), []);
    assert.deepEqual(spend({ deleteAfterUpload: false }, [cloud, other]), []);
  });
});
