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
// Of a terminal that is gone: what is in hand is brought to its end in silence.
process.stderr.on("error", () => {});
const code = await runCli(process);
// What is written goes out. Nothing else is waited for: attempts to send spans to a collector that is away take seconds.
for (const stream of [process.stdout, process.stderr]) {
  if (stream.writableLength > 0) await new Promise((written) => stream.write("", written));
}
process.exit(isReaderGone ? EXIT.ok : code);
