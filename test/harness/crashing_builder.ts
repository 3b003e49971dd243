// A builder in a process of its own that kills itself, as kill -9 does, when it has done one named step.
// Its environment: CRASH_WORLD, a CrashWorld as JSON; CRASH_AT, the step; CRASH_IMAGES, other images, as JSON.
import process from "node:process";
import { type CrashWorld, crashCase, crashSetting } from "./crash_case.ts";

const world = JSON.parse(process.env.CRASH_WORLD ?? "") as CrashWorld;
const setting = crashSetting(world);
const images = process.env.CRASH_IMAGES;
await crashCase(world).start(images === undefined ? setting : { ...setting, images: JSON.parse(images) }, {
  name: "first",
  sessionTimeoutMs: 2000,
  reached: (checkpoint) => {
    if (checkpoint === process.env.CRASH_AT) process.kill(process.pid, "SIGKILL");
  },
});
