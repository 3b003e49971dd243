import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { runCommand, runtimeCommand, startProgram } from "../harness/program.ts";

test("a collector that does not answer does not keep a command from ending", async (t) => {
  const collector = createServer(() => {}).listen(0, "127.0.0.1");
  t.after(() => {
    collector.close();
    collector.closeAllConnections();
  });
  await new Promise((listening) => collector.on("listening", listening));
  const program = startProgram("services/cli/main.ts", ["--address", "127.0.0.1:1", "list"], {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    // The exporter gives up after that: a command that waited for it would not end here.
    OTEL_EXPORTER_OTLP_TIMEOUT: "600000",
  });
  t.after(() => program.stop("SIGKILL"));
  assert.equal(await program.ended(), 69);
});

test("output that cannot be written is one sentence and exit code 1", async () => {
  const program = runtimeCommand("services/cli/main.ts");
  const words = ["-c", 'exec "$@" >/dev/full', "sh", ...program, "version"];
  const { code, stderr } = await runCommand("sh", words);
  assert.match(stderr, /^nodepool: .*no space left on device.*\n$/i);
  assert.equal(code, 1);
});
