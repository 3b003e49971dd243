#!/usr/bin/env node
// The `nodepool` program.
import process from "node:process";
import { runCli } from "./cli.ts";
import { EXIT } from "./host.ts";

// A reader such as `head` may leave before everything is written, and a disk may be full. A command that has something to give
// back does so first.
let unwritten: number | null = null;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (unwritten !== null) return;
  unwritten = error.code === "EPIPE" ? EXIT.ok : EXIT.failed;
  if (unwritten !== EXIT.ok) process.stderr.write(`nodepool: cannot write: ${error.message}\n`);
  if (!process.emit("SIGTERM", "SIGTERM")) process.exit(unwritten);
});
// Of a terminal that is gone: what is in hand is brought to its end in silence.
process.stderr.on("error", () => {});
const code = await runCli(process);
process.exitCode = code;
// What is written goes out. Nothing else is waited for: attempts to send spans to a collector that is away take seconds.
const onWritten = (stream: NodeJS.WriteStream, next: () => void) =>
  stream.writableLength === 0 ? next() : stream.write("", next);
// A turn later, since whether it could be written is told then.
const end = () => setImmediate(() => process.exit(unwritten ?? code));
onWritten(process.stdout, () => onWritten(process.stderr, end));
