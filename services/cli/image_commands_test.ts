import assert from "node:assert/strict";
import { test } from "node:test";
import { failedPrecondition } from "../../lib/rpc/errors.ts";
import { type Answers, nodepool, serve, start, until } from "./harness_test.ts";

test("image commands name the image and say nothing on standard output", async () => {
  const seen: string[] = [];
  const answer =
    (verb: string) =>
    async ({ name }: { name: string }) => {
      seen.push(`${verb} ${name}`);
      return { image: { name, reason: verb === "build" ? "asked for" : "" } };
    };
  const images = {
    buildImage: answer("build"),
    pauseImage: answer("pause"),
    resumeImage: answer("resume"),
  };
  const built = await nodepool({ images }, ["image-build", "debian-12"]);
  assert.equal(built.stdout, "");
  assert.equal(built.stderr, "image debian-12: a build is requested (asked for)\n");
  await nodepool({ images }, ["image-pause", "debian-12"]);
  await nodepool({ images }, ["image-unpause", "debian-12"]);
  assert.deepEqual(seen, ["build images/debian-12", "pause images/debian-12", "resume images/debian-12"]);
  const json = await nodepool({ images }, ["image-pause", "debian-12", "--output", "json"]);
  assert.deepEqual(JSON.parse(json.stdout), [{ name: "images/debian-12" }]);
});

test("builds and uploads are deleted by the ids that the lists show", async () => {
  const seen: string[] = [];
  const images: Answers["images"] = {
    deleteBuild: async ({ name }) => {
      seen.push(name);
      return {};
    },
    deleteUpload: async ({ name }) => {
      seen.push(name);
      if (name.endsWith("/0000000002")) {
        throw failedPrecondition("UPLOADING", "image upload in progress");
      }
      return {};
    },
  };
  const words = ["image-delete", "--provider", "local", "--image", "debian-12", "--build-id", "ab"];
  assert.equal((await nodepool({ images }, ["dib-image-delete", "debian-12-ab"])).code, 0);
  assert.equal((await nodepool({ images }, [...words, "--upload-id", "1"])).code, 0);
  const refused = await nodepool({ images }, [...words, "--upload-id", "0000000002"]);
  assert.equal(refused.code, 1);
  assert.equal(refused.stderr, "nodepool: image upload in progress\n");
  assert.deepEqual(seen, [
    "images/debian-12/builds/ab",
    "images/debian-12/builds/ab/providers/local/uploads/0000000001",
    "images/debian-12/builds/ab/providers/local/uploads/0000000002",
  ]);
});

test("build-log prints what there is; with -f it follows to the end", async () => {
  let more = () => {};
  const images: Answers["images"] = {
    watchBuildLog: async function* ({ name }, { signal }) {
      assert.equal(name, "images/debian-12/builds/0000000007");
      yield { text: "one\n" };
      await new Promise<void>((resolve) => {
        more = resolve;
        signal.addEventListener("abort", () => resolve());
      });
      yield { text: "two\n" };
    },
  };
  const address = await serve({ images });
  const short = start(address, ["build-log", "debian-12-0000000007"]);
  assert.equal(await short.code, 0);
  assert.equal(short.stdout, "one\n");
  const long = start(address, ["build-log", "-f", "debian-12-0000000007"]);
  await until(() => long.stdout !== "");
  more();
  assert.equal(await long.code, 0);
  assert.equal(long.stdout, "one\ntwo\n");
});

test("build-log of a running build that has said nothing yet ends, and prints nothing", async () => {
  const images: Answers["images"] = {
    watchBuildLog: async function* (_request, { signal }) {
      yield { text: "" };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  };
  assert.deepEqual(await nodepool({ images }, ["build-log", "debian-12-0000000007"]), {
    code: 0,
    stdout: "",
    stderr: "",
  });
});

test("build-log of an image is that of its newest build", async () => {
  const images: Answers["images"] = {
    listBuildHistory: async ({ parent, pageSize }) => {
      assert.deepEqual([parent, pageSize], ["images/debian-12", 1]);
      return { attempts: [{ name: "images/debian-12/builds/0000000007" }] };
    },
    watchBuildLog: async function* ({ name }) {
      yield { text: `${name}\n` };
    },
  };
  const { stdout } = await nodepool({ images }, ["build-log", "debian-12"]);
  assert.equal(stdout, "images/debian-12/builds/0000000007\n");
});

test("build-log of an image whose builds are in no history, as Python Nodepool's, is that of the newest there is", async () => {
  const pages = [
    { builds: [{ name: "images/debian-12/builds/0000000006" }], nextPageToken: "next" },
    { builds: [{ name: "images/debian-12/builds/0000000007" }] },
  ];
  const images: Answers["images"] = {
    listBuildHistory: async () => ({}),
    listBuilds: async ({ parent, pageToken }) => {
      assert.equal(parent, "images/debian-12");
      return pages[pageToken === "next" ? 1 : 0] ?? {};
    },
    watchBuildLog: async function* ({ name }) {
      yield { text: `${name}\n` };
    },
  };
  const { stdout } = await nodepool({ images }, ["build-log", "debian-12"]);
  assert.equal(stdout, "images/debian-12/builds/0000000007\n");
});

test("build-log of an image without builds does not claim to know that there were none", async () => {
  const images: Answers["images"] = { listBuildHistory: async () => ({}), listBuilds: async () => ({}) };
  const { code, stderr } = await nodepool({ images }, ["build-log", "never"]);
  assert.equal(code, 1);
  assert.equal(stderr, "nodepool: image never has no build, and none in its history\n");
});

test("build-cancel ends a running build", async () => {
  const seen: string[] = [];
  const images: Answers["images"] = {
    cancelBuild: async ({ name }) => {
      seen.push(name);
      return { build: { name, state: "STATE_DELETING" } };
    },
  };
  const { code, stdout } = await nodepool({ images }, ["build-cancel", "debian-12-ab"]);
  assert.deepEqual([code, stdout, seen], [0, "", ["images/debian-12/builds/ab"]]);
});

test("explain image tells everything that was decided on it", async () => {
  const images: Answers["images"] = {
    explainImage: async ({ name }) => ({
      image: { name, reason: "the newest build is fresh", lastError: "upload to cloud: 503" },
      decisions: [
        {
          action: "ACTION_UPLOAD",
          subject: `${name}/builds/ab`,
          provider: "cloud",
          reason: "the last attempt failed (503)",
          nextTime: new Date("2026-01-02T03:04:05.678Z"),
        },
      ],
    }),
  };
  const { stdout } = await nodepool({ images }, ["explain", "image", "debian-12"]);
  assert.match(stdout, /^the newest build is fresh\n {2}last error: upload to cloud: 503\n/);
  assert.match(
    stdout,
    /^\| upload +\| debian-12\/builds\/ab \| cloud +\| no +\| the last attempt failed \(503\) \| 2026-01-02T03:04:06Z \|$/m,
  );
});
