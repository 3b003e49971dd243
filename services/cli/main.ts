#!/usr/bin/env node
// The `nodepool` program.
import process from "node:process";
import { runCli } from "./cli.ts";

// A reader such as `head` may leave before everything is written.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});
process.exitCode = await runCli(process);
