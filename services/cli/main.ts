#!/usr/bin/env node
// The `nodepool` program.
import process from "node:process";
import { runCli } from "./cli.ts";
import { EXIT } from "./host.ts";

// A reader such as `head` may leave before everything is written. A command that has something to give back does so first.
let isReaderGone = false;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  isReaderGone = true;
  if (!process.emit("SIGTERM", "SIGTERM")) process.exit(EXIT.ok);
});
const code = await runCli(process);
// Not left to the process: attempts to send spans to a collector that is away would keep it for seconds.
for (const stream of [process.stdout, process.stderr]) {
  await new Promise((written) => stream.write("", written));
}
process.exit(isReaderGone ? EXIT.ok : code);
