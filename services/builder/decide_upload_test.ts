import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
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
  wait,
} from "../../test/harness/builder_state.ts";
import { decide } from "./decide.ts";

describe("uploading", () => {
  const here = [local("ubuntu", "b1")];
  const bare = { id: "b1", age: 100 };

  test("the newest ready build goes to each provider that lists the image", () => {
    const two = config([diskimage("ubuntu")], [provider("cloud", ["ubuntu"]), provider("other", ["ubuntu"])]);
    const plan = decide([image("ubuntu", { list: [bare, { id: "b0", age: 200 }] })], two, facts({ here }));
    assert.deepEqual(doing(plan), ["upload b1 to cloud", "upload b1 to other"]);
  });

  test("a provider that has it gets no second one", () => {
    const plan = decide([image("ubuntu", { list: [FRESH] })], UBUNTU, facts({ here }));
    assert.equal(wait(plan, "upload/ubuntu/b1/cloud").rule, "uploaded");
  });

  test("it is uploaded again after its upload was deleted", () => {
    const uploads = [{ id: "1", provider: "cloud", age: 50, state: "deleting" as const }];
    const plan = decide([image("ubuntu", { list: [{ ...bare, uploads }] })], UBUNTU, facts({ here }));
    assert.deepEqual(doing(plan).sort(), ["delete-upload b1/cloud/1", "upload b1 to cloud"]);
  });

  test("a paused provider image is not uploaded; a paused image is", () => {
    const listed = provider("cloud", ["ubuntu"]).diskimages.map((one) => ({ ...one, pause: true }));
    const paused = config([diskimage("ubuntu")], [provider("cloud", [], { diskimages: listed })]);
    const images = [image("ubuntu", { list: [bare] })];
    assert.equal(wait(decide(images, paused, facts({ here })), "upload/ubuntu/b1/cloud").rule, "paused");
    const imagePaused = [image("ubuntu", { list: [bare], paused: true })];
    assert.deepEqual(doing(decide(imagePaused, UBUNTU, facts({ here }))), ["upload b1 to cloud"]);
  });

  test("files at another builder are left to it, and it is named", () => {
    const list = [{ ...bare, builder: "host2", builderId: "you" }];
    const plan = decide([image("ubuntu", { list })], UBUNTU, facts());
    assert.equal(wait(plan, "upload/ubuntu/b1/cloud").rule, "not-here");
    assert.match(wait(plan, "upload/ubuntu/b1/cloud").reason, /host2/);
  });

  test("a provider of another format waits for a build that has it", () => {
    const raw = config([diskimage("ubuntu")], [provider("cloud", ["ubuntu"], { imageFormat: "raw" })]);
    const plan = decide([image("ubuntu", { list: [bare] })], raw, facts({ here }));
    assert.equal(wait(plan, "upload/ubuntu/b1/cloud").reason, "cloud takes raw; the newest build has qcow2");
  });

  test("a provider that is not served waits with the reason", () => {
    const unserved = new Map([["cloud", "no socket"]]);
    const given = facts({ here, served: new Set(), unserved });
    const plan = decide([image("ubuntu", { list: [bare] })], UBUNTU, given);
    assert.match(wait(plan, "upload/ubuntu/b1/cloud").reason, /cannot be used here: no socket/);
  });

  test("an upload by another builder is left to it", () => {
    const uploads = [{ id: "1", provider: "cloud", age: 5, state: "uploading" as const }];
    const list = [{ ...bare, uploads, uploading: ["cloud"] }];
    const plan = decide([image("ubuntu", { list })], UBUNTU, facts({ here }));
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "upload/ubuntu/b1/cloud").rule, "locked");
  });

  test("a failing provider waits by itself", () => {
    const two = config([diskimage("ubuntu")], [provider("cloud", ["ubuntu"]), provider("other", ["ubuntu"])]);
    const setback = { failures: 1, until: NOW + 5, error: "503", requestTime: null };
    const setbacks = new Map([["upload/ubuntu/b1/cloud", setback]]);
    const plan = decide([image("ubuntu", { list: [bare] })], two, facts({ here, setbacks }));
    assert.deepEqual(doing(plan), ["upload b1 to other"]);
    assert.equal(plan.next, NOW + 5);
  });

  test("a provider that takes no image at all is tried later, with one upload at a time, of what failed least", () => {
    const images = ["a", "b", "c", "d"];
    const many = config(
      images.map((name) => diskimage(name)),
      [provider("cloud", images), provider("other", ["d"])],
    );
    const entries = images.map((name) => image(name, { list: [{ id: `${name}1`, age: 10 }] }));
    const setbacks = new Map(
      ["a", "b", "c"].map((name, index) => [
        `upload/${name}/${name}1/cloud`,
        { failures: 3 - index, until: NOW, error: "503", requestTime: null },
      ]),
    );
    const trouble = { images: new Set(["a", "b", "c"]), failures: 6, until: NOW + 60, error: "503" };
    const known = { here: images.map((name) => local(name, `${name}1`)), setbacks };
    const troubles = new Map([["cloud", trouble]]);
    const plan = decide(entries, many, facts({ ...known, troubles }));
    assert.deepEqual(doing(plan), ["upload d1 to other"]);
    const { reason, next } = wait(plan, "upload/d/d1/cloud");
    assert.equal(next, NOW + 60);
    assert.match(reason, /the last uploads of 3 images to cloud failed \(503\); the next is at /);
    const later = decide(entries, many, facts({ ...known, troubles, now: NOW + 60 }));
    assert.deepEqual(doing(later).sort(), ["upload d1 to cloud", "upload d1 to other"]);
    assert.match(
      wait(later, "upload/c/c1/cloud").reason,
      /cloud has as many uploads at once as it may \(1\)/,
    );
    const two = new Map([["cloud", { ...trouble, images: new Set(["a", "b"]) }]]);
    assert.ok(
      doing(decide(entries, many, facts({ ...known, troubles: two }))).includes("upload c1 to cloud"),
    );
  });

  test("a provider has at most half of the workers while there are others", () => {
    const images = ["a", "b", "c"];
    const entries = images.map((name) => image(name, { list: [{ id: `${name}1`, age: 10 }] }));
    const known = { here: images.map((name) => local(name, `${name}1`)), uploadWorkers: 4 };
    const disks = images.map((name) => diskimage(name));
    const alone = config(disks, [provider("cloud", images)]);
    assert.equal(doing(decide(entries, alone, facts(known))).length, 3);
    const beside = config(disks, [provider("cloud", images), provider("other", ["x"])]);
    assert.equal(doing(decide(entries, beside, facts(known))).length, 2);
    assert.equal(doing(decide(entries, beside, facts({ ...known, uploadWorkers: 1 }))).length, 1);
  });

  test("a provider that is given up gets no upload", () => {
    const pools = [pool("main", -1)];
    const leaving = config([diskimage("ubuntu")], [provider("cloud", ["ubuntu"], { pools })]);
    const plan = decide([image("ubuntu", { list: [bare] })], leaving, facts({ here }));
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "upload/ubuntu/b1/cloud").rule, "given-up");
  });

  test("a slow provider cannot take every worker", () => {
    const images = ["a", "b", "c"];
    const many = config(
      images.map((name) => diskimage(name)),
      [provider("cloud", images), provider("other", images)],
    );
    const entries = images.map((name) => image(name, { list: [{ id: `${name}1`, age: 10 }] }));
    const files = images.map((name) => local(name, `${name}1`));
    const plan = decide(entries, many, facts({ here: files, uploadWorkers: 4 }));
    const places = plan.actions.flatMap((action) => (action.kind === "upload" ? [action.provider] : []));
    assert.deepEqual(places.sort(), ["cloud", "cloud", "other", "other"]);
    const busy = new Set(["upload/x/1/cloud", "upload/y/1/cloud"]);
    const next = decide(entries, many, facts({ here: files, uploadWorkers: 4, running: busy }));
    assert.ok(next.actions.every((action) => action.kind !== "upload" || action.provider === "other"));
  });
});
