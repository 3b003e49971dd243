// Images at a provider that no record knows: which they are, and that a launcher removes them on a real ZooKeeper.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newUpload } from "../../../lib/model/image.ts";
import { IMAGES } from "../../../lib/model/paths.ts";
import { METADATA, type ProviderImage } from "../../../lib/provider/contract.ts";
import { FakeProvider } from "../../../lib/provider/fake/fake_provider.ts";
import type { ImageEntry, UploadEntry } from "../../../lib/zookeeper/view.ts";
import { until } from "../../../test/harness/launcher.ts";
import { callContext, type LauncherCase, simple } from "../../../test/harness/launcher_case.ts";
import { launcherCases } from "../../../test/harness/suites.ts";
import { leakedImages } from "./compare.ts";

const signal = AbortSignal.timeout(600_000);
const numbered = (build: string, upload: string, provider = "cloud") => ({
  [METADATA.provider]: provider,
  [METADATA.build]: build,
  [METADATA.upload]: upload,
});

describe("images that no upload knows", () => {
  const upload = (given: Partial<UploadEntry>): UploadEntry => ({
    image: "debian",
    build: "b1",
    provider: "cloud",
    upload: "0000000001",
    version: 0,
    createdAt: 0,
    modifiedAt: 0,
    record: newUpload(0, { state: "uploading" }),
    problem: null,
    ...given,
  });
  const leaked = (uploads: readonly UploadEntry[], metadata: ProviderImage["metadata"], externalId = "x") => {
    const builds = [{ uploads }] as unknown as ImageEntry["builds"];
    const tree = { images: () => [{ builds } as unknown as ImageEntry] };
    return leakedImages(tree, "cloud", [{ externalId, name: "n", metadata }]).length === 1;
  };

  it("are those whose number is that of no upload of this build at this provider", () => {
    assert.equal(leaked([upload({})], numbered("b1", "0000000001")), false);
    assert.equal(leaked([upload({})], numbered("b1", "0000000002")), true);
    assert.equal(leaked([upload({})], numbered("b2", "0000000001")), true);
    const elsewhere = upload({ provider: "other", upload: "0000000002" });
    assert.equal(leaked([upload({}), elsewhere], numbered("b1", "0000000002")), true);
  });

  it("are none whose upload's document cannot be read, or is being deleted", () => {
    const unreadable = upload({ record: null, problem: "no JSON" });
    assert.equal(leaked([unreadable], numbered("b1", "0000000001")), false);
    const going = upload({ record: newUpload(0, { state: "deleting" }) });
    assert.equal(leaked([going], numbered("b1", "0000000001")), false);
  });

  it("are none that an upload of another number names by its id", () => {
    const named = upload({ upload: "0000000009", record: newUpload(0, { state: "ready", externalId: "x" }) });
    assert.equal(leaked([named], numbered("b1", "0000000001")), false);
  });

  it("are none without a number, or of another provider", () => {
    const own = { [METADATA.provider]: "cloud" };
    assert.equal(leaked([upload({})], own), false);
    assert.equal(leaked([upload({})], { ...own, [METADATA.upload]: "0000000002" }), false);
    assert.equal(leaked([upload({})], numbered("b1", "0000000002", "other")), false);
  });

  it("are none while no upload of the provider is recorded, as in an emptied ZooKeeper", () => {
    assert.equal(leaked([], numbered("b1", "0000000001")), false);
    assert.equal(leaked([upload({ provider: "other" })], numbered("b1", "0000000002")), false);
  });
});

describe("launcher: cleanup of images", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  const put = (cloud: FakeProvider, name: string, metadata: ProviderImage["metadata"]) =>
    cloud.cloud.createImage({ name, metadata }, signal);
  const namesOf = (cloud: FakeProvider) => [...cloud.cloud.images.values()].map(({ name }) => name).sort();

  it("removes what no upload knows when it has looked lost for long, and nothing else", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const session = await one.session();
    const [build = ""] = (await session.children(`${IMAGES}/image/builds`)).filter((name) => name !== "lock");
    await put(cloud, "recorded", numbered(build, "0000000001"));
    await put(cloud, "lost", numbered(build, "0000000002"));
    await put(cloud, "by hand", { [METADATA.provider]: "cloud" });
    await put(cloud, "another's", numbered(build, "0000000003", "other"));
    const begun = performance.now();
    await one.launcher(simple(cloud), { cleanupIntervalMs: 30 });
    await until("the lost image gone", () => cloud.cloud.images.size === 3);
    assert.deepEqual(namesOf(cloud), ["another's", "by hand", "recorded"]);
    // Sixty times the interval between looks at nodes: an hour where that is a minute.
    assert.ok(performance.now() - begun >= 30 * 60);
  });

  it("removes none while most of a provider's images look lost, until the brake is released", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    for (let number = 2; number < 8; number += 1) await put(cloud, `i${number}`, numbered("b", `${number}`));
    const launcher = await one.launcher(simple(cloud), { cleanupIntervalMs: 10 });
    const told = await until("the brake", async () => {
      const { providers } = await launcher.providers.listProviders({}, callContext);
      return providers?.[0]?.brake || null;
    });
    assert.match(told, /images were in no record within 5 minutes: 6 of 6 \(100 %, the limit is 40 %\)/);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.equal(cloud.cloud.images.size, 6);
    await launcher.providers.releaseBrake({ name: "providers/cloud" }, callContext);
    await until("the lost images gone", () => cloud.cloud.images.size === 0);
  });
});
