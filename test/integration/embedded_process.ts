// Runs the embedded server as a process of its own, to be killed: embedded_process.ts DIRECTORY PORT
import process from "node:process";
import { silentLogger } from "../../lib/std/logger.ts";
import { startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";

const [, , dataDir = "", port = "0"] = process.argv;
// Small files, so that a kill also meets the writing of snapshots.
const server = await startEmbeddedServer({
  dataDir,
  port: Number(port),
  logger: silentLogger,
  logFileBytes: 64 * 1024,
});
console.log(`READY ${server.port}`);
