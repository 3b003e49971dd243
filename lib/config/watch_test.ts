import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../std/clock.ts";
import { watchFiles } from "./watch.ts";

const root = mkdtempSync(join(tmpdir(), "nodepool-watch-"));
after(() => rmSync(root, { recursive: true }));

/** Changes a file and waits until that is told. */
async function isTold(file: string, change: () => void): Promise<void> {
  const told = Promise.withResolvers<void>();
  const stop = watchFiles([file], systemClock, () => told.resolve());
  // Watches begin in the background on Deno.
  await systemClock.sleep(200);
  change();
  await told.promise;
  stop();
}

function folder(name: string): string {
  const path = join(root, name);
  mkdirSync(path);
  return path;
}

test("a file that is written in place is told", async () => {
  const file = join(folder("place"), "nodepool.yaml");
  writeFileSync(file, "a");
  await isTold(file, () => writeFileSync(file, "b"));
});

test("a file that is renamed over the old one is told, each time", async () => {
  const file = join(folder("rename"), "nodepool.yaml");
  writeFileSync(file, "a");
  for (const text of ["b", "c"]) {
    await isTold(file, () => {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    });
  }
});

test("an editor that moves the old file away first is told", async () => {
  const file = join(folder("editor"), "nodepool.yaml");
  writeFileSync(file, "a");
  await isTold(file, () => {
    renameSync(file, `${file}~`);
    writeFileSync(file, "b");
  });
});

test("the link that Kubernetes turns is told", async () => {
  const volume = folder("configmap");
  for (const version of ["..v1", "..v2"]) {
    mkdirSync(join(volume, version));
    writeFileSync(join(volume, version, "nodepool.yaml"), version);
  }
  symlinkSync("..v1", join(volume, "..data"));
  symlinkSync("..data/nodepool.yaml", join(volume, "nodepool.yaml"));
  await isTold(join(volume, "nodepool.yaml"), () => {
    symlinkSync("..v2", join(volume, "..data_tmp"));
    renameSync(join(volume, "..data_tmp"), join(volume, "..data"));
  });
});

test("a link to a file elsewhere is told when that file changes", async () => {
  const [here, there] = [folder("here"), folder("there")];
  writeFileSync(join(there, "real.yaml"), "a");
  symlinkSync(join(there, "real.yaml"), join(here, "nodepool.yaml"));
  await isTold(join(here, "nodepool.yaml"), () => writeFileSync(join(there, "real.yaml"), "b"));
});

test("a file is told of while another one beside it is written all the time", async () => {
  const place = folder("busy");
  const [file, log] = [join(place, "nodepool.yaml"), join(place, "log")];
  writeFileSync(file, "a");
  const writing = setInterval(() => appendFileSync(log, "a line\n"), 10);
  try {
    await isTold(file, () => writeFileSync(file, "b"));
  } finally {
    clearInterval(writing);
  }
});

test("nothing is told of what is written beside the file", async () => {
  const place = folder("beside");
  const [file, log] = [join(place, "nodepool.yaml"), join(place, "log")];
  writeFileSync(file, "a");
  const settles: (() => void)[] = [];
  const after = (milliseconds: number, callback: () => void) => {
    if (milliseconds < 1000) settles.push(callback);
    return () => {};
  };
  const stop = watchFiles([file], { ...systemClock, after }, () => {});
  await systemClock.sleep(200);
  writeFileSync(log, "a line");
  const marker = Promise.withResolvers<void>();
  const stopMarker = watchFiles([log], systemClock, marker.resolve);
  await systemClock.sleep(200);
  appendFileSync(log, "another");
  await marker.promise;
  stop();
  stopMarker();
  assert.deepEqual(settles, []);
});
