// What the cleanup remembers from one look at a provider to the next.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Sightings } from "./sightings.ts";

describe("sightings", () => {
  it("are confirmed in the second pass, a grace time after the first", () => {
    const sightings = new Sightings(30);
    assert.equal(sightings.confirm("cloud/x", 0), false);
    sightings.endPass("cloud");
    assert.equal(sightings.confirm("cloud/x", 29), false);
    sightings.endPass("cloud");
    assert.equal(sightings.confirm("cloud/x", 30), true);
  });

  it("are confirmed also when the clock was set back meanwhile", () => {
    const sightings = new Sightings(30);
    assert.equal(sightings.confirm("a/instance/1", 1000), false);
    sightings.endPass("a");
    assert.equal(sightings.confirm("a/instance/1", 500), false);
    sightings.endPass("a");
    assert.equal(sightings.confirm("a/instance/1", 530), true);
  });

  it("begin anew at a provider that was out of the configuration meanwhile", () => {
    const sightings = new Sightings(30);
    for (const provider of ["cloud", "other"]) {
      sightings.confirm(`${provider}/x`, 0);
      sightings.endPass(provider);
    }
    sightings.keepOnly(new Set(["other"]));
    assert.equal(sightings.confirm("cloud/x", 3600), false);
    assert.equal(sightings.confirm("other/x", 3600), true);
  });

  it("begin anew after a pass without them; passes over other providers do not count", () => {
    const sightings = new Sightings(0);
    sightings.confirm("cloud/x", 0);
    sightings.endPass("cloud");
    sightings.endPass("other");
    assert.equal(sightings.confirm("cloud/x", 1), true);
    sightings.endPass("cloud");
    sightings.endPass("cloud");
    assert.equal(sightings.confirm("cloud/x", 2), false);
  });

  it("are not lost when the pass over another provider ends in the middle of theirs", () => {
    const sightings = new Sightings(30);
    sightings.confirm("cloud/x", 0);
    sightings.endPass("other");
    sightings.endPass("cloud");
    assert.equal(sightings.confirm("cloud/x", 30), true);
  });
});
