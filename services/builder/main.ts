#!/usr/bin/env node
import process from "node:process";
import { runDaemon } from "../../lib/daemon/daemon.ts";
import { startBuilder } from "./builder.ts";

await runDaemon({
  name: "builder",
  process,
  numbers: {
    "build-workers": { help: "images built at once", default: 1 },
    "upload-workers": { help: "uploads at once", default: 4 },
    "history-days": { help: "days for which the history of builds is kept", default: 30 },
  },
  start: (context, numbers) =>
    startBuilder(context, {
      env: process.env,
      ...(numbers["build-workers"] === undefined ? {} : { buildWorkers: numbers["build-workers"] }),
      ...(numbers["upload-workers"] === undefined ? {} : { uploadWorkers: numbers["upload-workers"] }),
      ...(numbers["history-days"] === undefined ? {} : { historyDays: numbers["history-days"] }),
    }),
});
