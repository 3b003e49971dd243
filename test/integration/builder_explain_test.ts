// What was decided, what went wrong, and what an operator ends: seen from every builder, also after a restart.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import {
  Build_State,
  BuildAttempt_Result,
  type Image,
  ImageDecision_Action,
  Upload_State,
} from "../../lib/rpc/gen/nodepool/v1/image.ts";
import { signalGroup } from "../../services/builder/process_group.ts";
import { BuilderCase, type BuilderSetting, type TestBuilder } from "../harness/builder.ts";
import { type BuilderApi, serveBuilder } from "../harness/builder_api.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

let zookeeper: ZooKeeperServer;
let one: BuilderCase;
let cloud: FakeImageProvider;
let other: FakeImageProvider;
let open: BuilderApi[];

async function serve(builder: TestBuilder): Promise<BuilderApi["images"]> {
  const api = await serveBuilder(builder);
  open.push(api);
  return api.images;
}

function setting(dibCommand: string): BuilderSetting {
  const providers = [cloud, other].map((driver) => ({ driver, images: ["ubuntu"] }));
  return { images: { ubuntu: { dibCommand } }, providers };
}

/** A build that waits for `go`, with its process group's number in `pid`. */
const gated = () =>
  one.command('echo $$ >"$here/pid"; while [ ! -e "$here/go" ]; do sleep 0.05; done; echo x >"$out.qcow2"');
const pid = () =>
  until(
    "a build runs",
    async () => Number(await readFile(join(one.folder, "pid"), "utf8").catch(() => "")) || null,
  );

const image = (images: BuilderApi["images"], fits: (image: Image) => boolean): Promise<Image> => {
  let last = "";
  return until("the image's state", async () => {
    const found = (await images.listImages({})).images.find(({ name }) => name === "images/ubuntu");
    last = JSON.stringify(found);
    return found !== undefined && fits(found) && found;
  }).catch((error: unknown) => assert.fail(`${error}; the image is ${last}`));
};

const PATIENT = { backoff: { initial: 600_000, maximum: 600_000 } };

describe("what a builder tells", { skip: !zooKeeperInstalled }, () => {
  before(async () => {
    zookeeper = await startZooKeeper();
  });
  after(() => zookeeper.close());
  beforeEach(async () => {
    one = await BuilderCase.begin(zookeeper);
    cloud = new FakeImageProvider("cloud");
    other = new FakeImageProvider("other");
    open = [];
  });
  afterEach(async () => {
    await writeFile(join(one.folder, "go"), "");
    for (const api of open) await api.close();
    await one.end();
  });

  test("an upload's error is told by every builder, and after a restart, until an attempt succeeds", async () => {
    cloud.failUploads = 1;
    const given = setting(await one.plainCommand());
    const first = await one.start(given, { name: "a", ...PATIENT });
    const images = await serve(first);
    const told = /the last attempt failed \(the cloud takes .*; the next is at/;
    const failing = await image(images, ({ missingUploads }) => told.test(missingUploads.cloud ?? ""));
    assert.equal(failing.lastError, "upload to cloud: the cloud takes no images today");
    const nobody = await one.start({ images: {}, providers: [] }, { name: "b" });
    const seen = await image(await serve(nobody), ({ lastError }) => lastError !== "");
    assert.equal(seen.lastError, failing.lastError);
    const { uploads } = await images.listUploads({ parent: "images/-" });
    const failed = uploads.find(({ state }) => state === Upload_State.STATE_FAILED);
    assert.equal(failed?.error, "the cloud takes no images today");

    await first.stop();
    cloud.failUploads = 0;
    const again = await serve(await one.start(given, { name: "a", ...PATIENT }));
    const isMissing = ({ missingUploads }: Image) => Object.keys(missingUploads).length > 0;
    await image(again, (found) => found.lastError === "" && !isMissing(found));
    const now = await again.listUploads({ parent: "images/-" });
    const there = now.uploads.filter(({ state }) => state === Upload_State.STATE_READY);
    assert.equal(there.length, 2, "an upload at each provider");
  });

  test("a build's error outlives the builder that met it", async () => {
    const given = setting(await one.command("echo nothing works; exit 3"));
    const first = await one.start(given, { name: "a", ...PATIENT });
    await until("it failed", () => first.builds("ubuntu")[0]?.record?.state === "failed");
    await first.stop();
    const nobody = await one.start({ images: {}, providers: [] }, { name: "b" });
    const seen = await image(await serve(nobody), ({ lastError }) => lastError !== "");
    assert.match(
      seen.lastError,
      /the build command of ubuntu ended with status 3: nothing works; its log is /,
    );
  });

  test("every decision on an image can be asked for, with its reason and when it will be looked at again", async () => {
    const builder = await one.start(setting(await one.plainCommand()));
    const images = await serve(builder);
    await until(
      "both uploads",
      () => builder.uploads("ubuntu").filter((each) => each.record?.state === "ready").length === 2,
    );
    const answer = await until("it has settled", async () => {
      const found = await images.explainImage({ name: "images/ubuntu" });
      return found.decisions.every(({ acting }) => !acting) && found;
    });
    const [{ build = "" } = {}] = builder.builds("ubuntu");
    const told = answer.decisions.map(({ action, provider, rule }) =>
      [action, provider, rule].join(" ").trim(),
    );
    assert.deepEqual(told.sort(), [
      `${ImageDecision_Action.ACTION_BUILD}  fresh`,
      `${ImageDecision_Action.ACTION_DELETE_BUILD}  kept`,
      `${ImageDecision_Action.ACTION_DELETE_FILES}  kept`,
      `${ImageDecision_Action.ACTION_DELETE_UPLOAD} cloud kept`,
      `${ImageDecision_Action.ACTION_DELETE_UPLOAD} other kept`,
      `${ImageDecision_Action.ACTION_UPLOAD} cloud uploaded`,
      `${ImageDecision_Action.ACTION_UPLOAD} other uploaded`,
    ]);
    const fresh = answer.decisions.find(({ action }) => action === ImageDecision_Action.ACTION_BUILD);
    assert.match(fresh?.reason ?? "", /the next is due at/);
    assert.ok((fresh?.nextTime?.getTime() ?? 0) > Date.now());
    assert.equal(fresh?.nextTime?.getTime(), answer.image?.nextBuildTime?.getTime());
    const kept = answer.decisions.find(({ action }) => action === ImageDecision_Action.ACTION_DELETE_BUILD);
    assert.equal(kept?.subject, `images/ubuntu/builds/${build}`);
    await assert.rejects(images.explainImage({ name: "images/none" }), /images\/none/);
  });

  test("a build is cancelled from any builder: it ends with all that it started, is told so, and waits", async () => {
    const builder = await one.start(setting(await gated()), { name: "a", ...PATIENT });
    const elsewhere = await one.start({ images: {}, providers: [] }, { name: "b" });
    const images = await serve(elsewhere);
    const group = await pid();
    const { build, record } = await until("its record at both", () => {
      return elsewhere.builds("ubuntu").length > 0 && builder.builds("ubuntu")[0];
    });
    const name = `images/ubuntu/builds/${build}`;
    const answer = await images.cancelBuild({ name });
    assert.equal(answer.build?.state, Build_State.STATE_DELETING);
    assert.ok(Number(answer.build?.stateTime) > (record?.stateTime ?? 0) * 1000, "when it entered its state");
    await until("the record is gone", () => builder.builds("ubuntu").length === 0);
    await until("it is told", async () => {
      const { attempts } = await images.listBuildHistory({ parent: "images/ubuntu" });
      return attempts[0]?.result === BuildAttempt_Result.RESULT_FAILED;
    });
    const { attempts } = await images.listBuildHistory({ parent: "images/ubuntu" });
    assert.equal(attempts[0]?.error, "the build was cancelled: an operator has ended it");
    assert.equal(signalGroup(group, 0), false, "the build command lives");
    assert.deepEqual(await builder.files(), []);
    const waiting = await image(await serve(builder), ({ reason }) =>
      reason.includes("the last attempt failed"),
    );
    assert.match(waiting.reason, /an operator has ended it/);
    assert.equal(builder.view.image("ubuntu")?.lock.contenders.length, 0);
  });

  test("a build that has ended cannot be cancelled", async () => {
    const builder = await one.start(setting(await one.plainCommand()));
    const images = await serve(builder);
    const { build } = await until("a build", () =>
      builder.builds("ubuntu").find(({ record }) => record?.state === "ready"),
    );
    await assert.rejects(
      images.cancelBuild({ name: `images/ubuntu/builds/${build}` }),
      /has ended: delete it/,
    );
  });
});
