// What the API tells of builds while they run and afterwards: logs, changes, phases, history, traces.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, test } from "node:test";
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { BuildAttempt_Result } from "../../lib/rpc/gen/nodepool/v1/image.ts";
import { withSpan } from "../../lib/telemetry/trace.ts";
import { type ApiCase, refused } from "../harness/builder_api.ts";
import { firstUpload } from "../harness/builder_images.ts";
import { until } from "../harness/launcher.ts";
import { leapingClock } from "../harness/leaping_clock.ts";
import { builderApiCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

let current: ApiCase;

describe("what a builder tells of its work", { skip: !zooKeeperInstalled }, () => {
  const cases = builderApiCases();
  beforeEach(async () => {
    current = await cases.begin();
  });

  test("sends the log of a running build from its beginning to its end", async () => {
    const lines =
      'echo first; while [ ! -e "$here/go" ]; do sleep 0.05; done; echo last; echo x >"$out.qcow2"';
    const { builder, images } = await current.serve(
      await current.setting({ dibCommand: await current.one.command(lines) }),
    );
    const { build } = await until("a build", () => builder.builds("ubuntu")[0]);
    const name = `images/ubuntu/builds/${build}`;
    await until("its log", () =>
      images
        .watchBuildLog({ name })
        [Symbol.asyncIterator]()
        .next()
        .catch(() => null),
    );
    let text = "";
    for await (const piece of images.watchBuildLog({ name })) {
      text += piece.text;
      if (text === "first\n") await current.go();
    }
    assert.match(text, /^first\nlast\nDuration: \d+\.\d s\nExit code: 0\n$/);
  });

  test("tells at once that a running build has a log, also when nothing is in it yet", async () => {
    const silent = 'while [ ! -e "$here/go" ]; do sleep 0.05; done; echo x >"$out.qcow2"';
    const { builder, images } = await current.serve(
      await current.setting({ dibCommand: await current.one.command(silent) }),
    );
    const { build } = await until("a build", () => builder.builds("ubuntu")[0]);
    const file = join(builder.logDir, `ubuntu-${build}.log`);
    await until("its log", () => existsSync(file));
    const signal = AbortSignal.timeout(10_000);
    const log = images.watchBuildLog({ name: `images/ubuntu/builds/${build}` }, { signal });
    const pieces = log[Symbol.asyncIterator]();
    assert.deepEqual(await pieces.next(), { done: false, value: { text: "" } });
    await pieces.return?.();
    await current.go();
  });

  test("sends an empty piece whenever a build has been silent for half a minute", async () => {
    const clock = leapingClock();
    const silent = 'while [ ! -e "$here/go" ]; do sleep 0.05; done; echo x >"$out.qcow2"';
    const { builder, images } = await current.serve(
      await current.setting({ dibCommand: await current.one.command(silent) }),
      { clock },
    );
    const { build } = await until("a build", () => builder.builds("ubuntu")[0]);
    await until("its log", () => existsSync(join(builder.logDir, `ubuntu-${build}.log`)));
    const pieces: string[] = [];
    const following = (async () => {
      for await (const { text } of images.watchBuildLog({ name: `images/ubuntu/builds/${build}` }))
        pieces.push(text);
    })();
    await until("the first piece", () => pieces.length > 0);
    await until("a second empty piece", () => {
      clock.leap(31_000);
      return pieces.length > 1;
    });
    assert.deepEqual(pieces.slice(0, 2), ["", ""]);
    await current.go();
    await following;
  });

  test("names the builder that has a log", async () => {
    const given = await current.setting();
    const { builder } = await current.serve(given, { name: "a" });
    const { build } = await firstUpload(builder);
    const { builder: other, images } = await current.serve(given, { name: "b" });
    await until("it is seen", () => other.builds("ubuntu")[0]);
    const read = async () => {
      for await (const _ of images.watchBuildLog({ name: `images/ubuntu/builds/${build}` }));
    };
    await refused(
      read(),
      "FAILED_PRECONDITION",
      /the log of build .* is at builder a.example.org, not at b.example.org/,
    );
  });

  test("a watch begins with everything, then tells each change and what is gone, and resumes", async () => {
    const { builder, images } = await current.serve(await current.setting());
    const { build } = await firstUpload(builder);
    const cancel = new AbortController();
    const seen: string[] = [];
    let token = "";
    const watching = (async () => {
      for await (const { event, resumeToken } of images.watchImages({}, { signal: cancel.signal })) {
        token = resumeToken === "" ? token : resumeToken;
        if (event?.$case === "bookmark") seen.push(`bookmark ${event.value.synced}`);
        else if (event?.$case === "deleted") seen.push(`deleted ${event.value}`);
        else if (event !== undefined) seen.push(`${event.$case} ${event.value.name}`);
      }
    })().catch(() => undefined);
    await until("the snapshot", () => seen.includes("bookmark true"));
    const name = `images/ubuntu/builds/${build}`;
    assert.deepEqual(seen.slice(0, 3), [
      ...["image images/ubuntu", `build ${name}`, `upload ${name}/providers/cloud/uploads/0000000001`],
    ]);
    await images.deleteBuild({ name });
    await until("it is told", () => seen.includes(`deleted ${name}`));
    cancel.abort();
    await watching;
    const again = images.watchImages({ resumeToken: token })[Symbol.asyncIterator]();
    const first = await again.next();
    assert.notEqual(first.value?.resumeToken, "");
    await again.return?.();
    const stale = images.watchImages({ resumeToken: "gone.1" })[Symbol.asyncIterator]();
    await refused(stale.next(), "OUT_OF_RANGE", /watch again/);
  });

  test("a watch that resumes tells of each thing once, as it is then", async () => {
    const { builder, images } = await current.serve(await current.setting());
    await firstUpload(builder);
    /** What is told until everything up to then was sent. */
    const told = async (resumeToken: string) => {
      const seen: string[] = [];
      for await (const { event, resumeToken: token } of images.watchImages({ resumeToken })) {
        if (event?.$case === "bookmark") return { seen, token };
        if (event?.$case === "image") seen.push(`paused: ${event.value.paused}`);
      }
      return assert.fail("the watch has ended");
    };
    const { token } = await told("");
    await images.pauseImage({ name: "images/ubuntu" });
    await told("");
    await images.resumeImage({ name: "images/ubuntu" });
    assert.deepEqual((await told(token)).seen, ["paused: false"]);
  });

  test("a watch ends at a builder that has no connection to ZooKeeper: another may have one", async () => {
    const { images } = await current.serve({ images: { ubuntu: { pause: true } }, providers: [] });
    const told = images.watchImages({}, { signal: AbortSignal.timeout(60_000) })[Symbol.asyncIterator]();
    await told.next();
    await cases.server.stop();
    try {
      const end = async () => {
        while ((await told.next()).done !== true);
      };
      await refused(end(), "UNAVAILABLE", /ZooKeeper/);
    } finally {
      await cases.server.restart();
    }
  });

  test("a build tells what it is doing", async () => {
    const lines =
      'echo "dib-run-parts Running /h/install.d/1"; while [ ! -e "$here/go" ]; do sleep 0.05; done; echo x >"$out.qcow2"';
    const { images } = await current.serve(
      await current.setting({ dibCommand: await current.one.command(lines) }),
    );
    await until("the progress", async () => {
      const { builds } = await images.listBuilds({ parent: "images/ubuntu" });
      const names = builds[0]?.phases.map(({ name }) => name) ?? [];
      return builds[0]?.progress === "installing" && names.join() === "installing";
    });
    await current.go();
  });

  test("tells what became of builds, also of those that are gone: why, how long, what failed, what they took", async () => {
    const lines =
      'echo "dib-run-parts Running /h/install.d/1"; [ -e "$here/ok" ] || { touch "$here/ok"; echo bad element; exit 3; }; echo x >"$out.qcow2"';
    const { builder, images } = await current.serve(
      await current.setting({ dibCommand: await current.one.command(lines) }),
    );
    const { build } = await firstUpload(builder);
    await until("the failed build is gone", () => builder.builds("ubuntu").length === 1);
    const { attempts } = await images.listBuildHistory({ parent: "images/-" });
    const [ready, failed] = attempts;
    assert.equal(attempts.length, 2);
    assert.equal(ready?.name, `images/ubuntu/builds/${build}`);
    assert.equal(ready?.result, BuildAttempt_Result.RESULT_READY);
    assert.equal(ready?.reason, "there is no ready build");
    assert.equal(ready?.exitCode, 0);
    assert.ok(Number(ready?.sizes.qcow2) > 0);
    assert.equal(failed?.result, BuildAttempt_Result.RESULT_FAILED);
    assert.equal(failed?.exitCode, 3);
    assert.match(failed?.error ?? "", /ended with status 3: bad element; its log is /);
    assert.equal(failed?.phases[0]?.name, "installing");
    assert.ok((failed?.endTime?.getTime() ?? 0) >= (failed?.startTime?.getTime() ?? Infinity));
    const page = await images.listBuildHistory({ parent: "images/ubuntu", pageSize: 1 });
    assert.notEqual(page.nextPageToken, "");
  });

  test("a build whose builder went away is told as interrupted", async () => {
    const lines = 'touch "$here/run"; while [ ! -e "$here/go" ]; do sleep 0.05; done';
    const given = await current.setting({ dibCommand: await current.one.command(lines) });
    const killed = await current.one.start(given, { name: "a" });
    await until("a build", () => existsSync(join(current.one.folder, "run")));
    await killed.crash();
    const { builder, images } = await current.serve(
      { images: {}, providers: given.providers },
      { name: "a" },
    );
    await until("its record is gone", () => builder.builds("ubuntu").length === 0);
    const { attempts } = await images.listBuildHistory({ parent: "images/ubuntu" });
    assert.equal(attempts[0]?.result, BuildAttempt_Result.RESULT_INTERRUPTED);
    assert.match(attempts[0]?.error ?? "", /its builder went away/);
  });

  test("builds on request, at once, in one trace from the caller to the upload", async () => {
    const exporter = new InMemorySpanExporter();
    context.setGlobalContextManager(new AsyncLocalStorageContextManager());
    trace.setGlobalTracerProvider(
      new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
    );
    try {
      const { builder, images } = await current.serve(await current.setting());
      await firstUpload(builder);
      exporter.reset();
      let traceId = "";
      await withSpan("caller", {}, async (span) => {
        traceId = span.spanContext().traceId;
        const { image } = await images.buildImage({ name: "images/ubuntu" });
        assert.notEqual(image?.buildRequest, undefined);
      });
      await until("a second upload", () => builder.uploads("ubuntu").length === 2);
      const span = (name: string) =>
        until(name, () => exporter.getFinishedSpans().find((candidate) => candidate.name === name));
      const build = await span("image.build");
      const upload = await span("image.upload");
      assert.equal(build.spanContext().traceId, traceId);
      assert.equal(upload.parentSpanContext?.spanId, build.spanContext().spanId);
    } finally {
      trace.disable();
      context.disable();
    }
  });
});
