// What the builder costs: over the bare disk-image-create, over curl, between build and upload, and when nothing is to
// be done.
import { readFile, stat, writeFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import process from "node:process";
import { encodeBuild, encodeUpload, newBuild, newUpload } from "../../lib/model/image.ts";
import { buildPath, imagePausePath, uploadPath } from "../../lib/model/paths.ts";
import type { ImageSpec } from "../../lib/provider/contract.ts";
import { sendFile } from "../../lib/provider/send_file.ts";
import type { Checkpoint } from "../../services/builder/checkpoint.ts";
import { importImages } from "../../services/builder/image_data.ts";
import { BuilderCase, type BuilderSetting, type TestBuilder } from "../harness/builder.ts";
import { config } from "../harness/builder_state.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { PROJECT, runCommand, startProgram } from "../harness/program.ts";
import { fourLetterWord, startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";

const ROUNDS = 5;
const PATIENCE = 300_000;
const MiB = 2 ** 20;
const FILE_MIB = 1024;
const IDLE_SECONDS = 20;
const IMAGES = 200;
const PROVIDERS = 10;
const CHANGES = 100;

type Print = (result: {
  name: string;
  value: number;
  unit: string;
  against: number;
  ratio: number;
  target: number;
  target_met: boolean;
}) => void;

/** Runs the benchmark and prints one JSON object a line. */
export async function run(line: (text: string) => void): Promise<void> {
  const print: Print = (result) => line(JSON.stringify(result));
  const server = await startZooKeeper();
  try {
    await measureBuilds(server, print);
    await measureUpload(server, print);
    await measureIdle(server, print);
  } finally {
    await server.close();
  }
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
const round = (value: number) => Number(value.toFixed(3));

/** How long a build takes from the lock to the record, against what its command takes of that; and what comes after. */
async function measureBuilds(server: ZooKeeperServer, print: Print): Promise<void> {
  const one = await BuilderCase.begin(server);
  const [builds, commands, pauses]: [number[], number[], number[]] = [[], [], []];
  const envVars = {
    ELEMENTS_PATH: join(PROJECT, "examples/elements"),
    DIB_JOURNAL_SIZE: "4",
    TMP_DIR: join(one.folder, "tmp"),
  };
  // It takes its own time: so whatever else the machine does falls on both.
  const dibCommand = join(one.folder, "timed-disk-image-create");
  const times = join(one.folder, "times");
  const lines = [
    "#!/bin/sh",
    `date +%s%3N >${times}`,
    'disk-image-create -n "$@" || exit',
    `date +%s%3N >>${times}`,
  ];
  await writeFile(dibCommand, `${lines.join("\n")}\n`, { mode: 0o755 });
  const image = { dibCommand, elements: ["nodepool-tiny"], formats: ["tar"], envVars };
  const listed = [
    { driver: new FakeImageProvider("cloud"), images: ["tiny"], config: { imageFormat: "tar" } },
  ];
  const setting: BuilderSetting = { images: { tiny: image }, providers: listed };
  try {
    for (let turn = 0; turn < ROUNDS; turn += 1) {
      let [begun, stored] = [0, 0];
      const reached = (checkpoint: Checkpoint) => {
        if (checkpoint === "build: lock taken") begun = Date.now();
        if (checkpoint === "build: result stored") stored = Date.now();
      };
      const builder = await one.start(setting, { reached, name: `${turn}`, chroot: `${one.folder}-${turn}` });
      const upload = await until("an upload", () => builder.uploads("tiny")[0], PATIENCE);
      const build = builder.builds("tiny").find((entry) => entry.build === upload.build);
      const [from = 0, to = 0] = (await readFile(times, "utf8")).split("\n").map(Number);
      builds.push((stored - begun) / 1000);
      commands.push((to - from) / 1000);
      pauses.push((upload.createdAt - (build?.modifiedAt ?? 0)) * 1000);
      await builder.stop();
    }
  } finally {
    await one.end();
  }
  const ratio = median(builds.map((time, turn) => time / (commands[turn] ?? time)));
  print({
    name: "build of a tiny tar, from the lock to the record, against its disk-image-create alone",
    value: round(median(builds)),
    unit: "s",
    against: round(median(commands)),
    ratio: round(ratio),
    target: 1.03,
    target_met: ratio <= 1.03,
  });
  const pause = median(pauses);
  print({
    name: "from a build that is ready to its upload that has begun, against Nodepool's 10 s",
    value: round(pause),
    unit: "ms",
    against: 10_000,
    ratio: round(pause / 10_000),
    target: 100,
    target_met: Math.max(...pauses) < 100,
  });
}

/** Streams a file over HTTP, as a cloud's driver does. */
class HttpProvider extends FakeImageProvider {
  readonly #port: number;

  constructor(name: string, port: number) {
    super(name);
    this.#port = port;
  }

  override async uploadImage(spec: ImageSpec, signal: AbortSignal): Promise<string> {
    const headers = { "content-length": (await stat(spec.path)).size };
    const request = http.request({ host: "127.0.0.1", port: this.#port, method: "PUT", headers, signal });
    const answered = new Promise((resolve, reject) =>
      request.once("response", resolve).once("error", reject),
    );
    await sendFile(spec.path, request, signal);
    await answered;
    return spec.name;
  }
}

async function measureUpload(server: ZooKeeperServer, print: Print): Promise<void> {
  const one = await BuilderCase.begin(server);
  const sink = startProgram("test/harness/http_sink.ts", []);
  try {
    const port = Number((await sink.waitFor(/port (\d+)/))[1]);
    const dibCommand = await one.command(`head -c ${FILE_MIB * MiB} /dev/urandom >"$out.qcow2"`);
    const clouds = Array.from({ length: ROUNDS }, (_, turn) => new HttpProvider(`http-${turn}`, port));
    const images = { large: { dibCommand } };
    const builder = await one.start({ images, providers: [] });
    const { build } = await until("a build", () => ready(builder), PATIENCE);
    const file = join(builder.imagesDir, `large-${build}.qcow2`);
    const [ours, curl]: [number[], number[]] = [[], []];
    const before = process.memoryUsage().rss;
    let peak = before;
    const sampling = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 20);
    // In turns, so that what else the machine does falls on both.
    for (const [turn, cloud] of clouds.entries()) {
      const begun = performance.now();
      const url = `http://127.0.0.1:${port}/`;
      const { code, stderr } = await runCommand("curl", ["-sf", "-T", file, url], { timeoutMs: PATIENCE });
      if (code !== 0) throw new Error(`curl failed: ${stderr}`);
      curl.push(FILE_MIB / ((performance.now() - begun) / 1000));
      const providers = clouds.slice(0, turn + 1).map((driver) => ({ driver, images: ["large"] }));
      await builder.take({ images, providers });
      const { record, createdAt } = await until("an upload", () => uploadAt(builder, cloud.name), PATIENCE);
      ours.push(FILE_MIB / ((record?.stateTime ?? 0) - createdAt));
    }
    clearInterval(sampling);
    await builder.stop();
    const rate = median(ours);
    const ratio = median(ours.map((each, turn) => each / (curl[turn] ?? each)));
    print({
      name: `upload of ${FILE_MIB} MiB over HTTP, record to record, against curl`,
      value: Math.round(rate),
      unit: "MiB/s",
      against: Math.round(median(curl)),
      ratio: round(ratio),
      target: 0.8,
      target_met: ratio >= 0.8,
    });
    const grown = (peak - before) / MiB;
    print({
      name: "growth of the process's memory during that upload, against the file's size",
      value: Math.round(grown),
      unit: "MiB",
      against: FILE_MIB,
      ratio: round(grown / FILE_MIB),
      target: 100,
      target_met: grown < 100,
    });
  } finally {
    await sink.stop("SIGKILL");
    await one.end();
  }
}

const uploadAt = (builder: TestBuilder, provider: string) =>
  builder.uploads("large").find((upload) => upload.provider === provider && upload.record?.state === "ready");

const ready = (builder: TestBuilder) =>
  builder.builds("large").find(({ record }) => record?.state === "ready");

/** Packets that the server gets, and the processor's time, while every image is fresh and everywhere. */
async function measureIdle(server: ZooKeeperServer, print: Print): Promise<void> {
  const one = await BuilderCase.begin(server);
  try {
    const names = Array.from({ length: IMAGES }, (_, index) => `image-${index}`);
    const clouds = Array.from({ length: PROVIDERS }, (_, index) => new FakeImageProvider(`cloud-${index}`));
    const before = await one.observe();
    const importer = { builderId: "", config: config([]) };
    const now = Date.now() / 1000;
    for (const image of names) {
      const build = image.padEnd(32, "0").replaceAll(/[^0-9]/g, "a");
      const record = newBuild(now, { state: "ready", builder: "b", builderId: "b", formats: "qcow2" });
      const upload = newUpload(now, { state: "ready", externalId: "x", externalName: "x", format: "qcow2" });
      const text = (data: Uint8Array) => new TextDecoder().decode(data);
      const data = [
        { path: buildPath(image, build), data: text(encodeBuild(record)) },
        ...clouds.map(({ name }) => ({
          path: uploadPath(image, build, name, "0000000001"),
          data: text(encodeUpload(upload)),
        })),
      ];
      await importImages(before.session, data, importer, new AbortController().signal);
    }
    await before.stop();
    const builder = await one.start({
      images: Object.fromEntries(names.map((name) => [name, { dibCommand: "false" }])),
      providers: clouds.map((driver) => ({ driver, images: names })),
    });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const [packets, used] = [await received(server), process.cpuUsage()];
    await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
    const { user, system } = process.cpuUsage(used);
    // Each question to the server is a packet of its own; the other is not ours.
    const asked = (await received(server)) - packets - 1;
    const perChange = await measureChanges(builder, names[0] ?? "");
    await builder.stop();
    const pings = Math.ceil(IDLE_SECONDS / (4 / 3)) + 2;
    print({
      name: `packets to ZooKeeper in ${IDLE_SECONDS} s with ${IMAGES} images at ${PROVIDERS} providers, against pings`,
      value: asked,
      unit: "packets",
      against: pings,
      ratio: round(asked / pings),
      target: pings,
      target_met: asked <= pings,
    });
    const percent = ((user + system) / 1e6 / IDLE_SECONDS) * 100;
    print({
      name: "processor's time meanwhile",
      value: round(percent),
      unit: "%",
      against: 100,
      ratio: round(percent / 100),
      target: 1,
      target_met: percent <= 1,
    });
    print({
      name: "processor's time for one change among them: seen, decided anew, told",
      value: round(perChange),
      unit: "ms",
      against: 1000,
      ratio: round(perChange / 1000),
      target: 20,
      target_met: perChange <= 20,
    });
  } finally {
    await one.end();
  }
}

/** Pauses and resumes an image; returns the milliseconds of processor's time that each change takes. */
async function measureChanges(builder: TestBuilder, image: string): Promise<number> {
  const path = imagePausePath(image);
  const before = process.cpuUsage();
  for (let turn = 0; turn < CHANGES / 2; turn += 1) {
    await builder.session.create(path, new Uint8Array(), "persistent");
    await until("it is paused", () => builder.view.image(image)?.paused === true);
    await builder.session.delete(path, -1);
    await until("it is resumed", () => builder.view.image(image)?.paused === false);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / CHANGES;
}

async function received(server: ZooKeeperServer): Promise<number> {
  const answer = await fourLetterWord(server.port, "mntr");
  return Number(/zk_packets_received\s+(\d+)/.exec(answer)?.[1]);
}
