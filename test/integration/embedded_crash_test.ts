// The embedded server is killed in the middle of writes: what it acknowledged must be there when it is back.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../lib/zookeeper/contract/fixture.ts";
import { errorCode, opCode } from "../../lib/zookeeper/embedded/wire.ts";
import { TestClient, writeSteps } from "../harness/embedded_client.ts";
import { freePort } from "../harness/ports.ts";
import { startProgram } from "../harness/program.ts";

const writers = 16;

async function startServer(directory: string, port: number) {
  const program = startProgram("test/integration/embedded_process.ts", [directory, String(port)]);
  await program.waitFor(/READY/);
  return { kill: () => program.stop("SIGKILL") };
}

/** What one writer did: the numbers that it sent, and those that were acknowledged. */
interface Record {
  sent: number;
  acknowledged: number;
}

/** Counts two znodes up together, one transaction after the other, until the connection breaks. */
async function write(client: TestClient, writer: number, record: Record): Promise<void> {
  while (true) {
    record.sent++;
    const value = Buffer.from(String(record.sent).padEnd(100));
    const reply = await client.request(opCode.multi, (out) =>
      writeSteps(
        out,
        ["left", "right"].map(
          (side) =>
            [opCode.setData, (step) => step.string(`/w${writer}/${side}`).buffer(value).int(-1)] as const,
        ),
      ),
    );
    if (reply === null) return;
    assert.equal(reply.error, errorCode.ok);
    record.acknowledged = record.sent;
  }
}

test("kill -9 in the middle of writes loses nothing that was acknowledged, and no half transaction", async () => {
  const directory = await mkdtemp(join(tmpdir(), "nodepool-embedded-"));
  const port = await freePort();
  let server = await startServer(directory, port);
  const setup = await TestClient.start(port);
  for (let writer = 0; writer < writers; writer++) {
    for (const path of ["", "/left", "/right"]) await setup.create(`/w${writer}${path}`, "0");
  }
  await setup.create("/mine", "", 1);
  const records: Record[] = Array.from({ length: writers }, () => ({ sent: 0, acknowledged: 0 }));
  const total = () => records.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  let keeper = setup;
  for (let round = 0; round < 6; round++) {
    const client = await TestClient.start(port);
    const writing = records.map((record, writer) => write(client, writer, record));
    await sleep(100 + 37 * round);
    await until(() => total() > 20 * (round + 1), "the round's writes");
    await server.kill();
    await Promise.all(writing);
    server = await startServer(directory, port);

    // The session of before is still there, and so is its ephemeral.
    const { sessionId, password } = keeper;
    keeper = await TestClient.start(port, { sessionId, password });
    assert.equal(keeper.sessionId, sessionId);
    assert.equal((await keeper.exists("/mine"))?.ephemeralOwner, sessionId);
    for (const [writer, record] of records.entries()) {
      const left = Number(await keeper.get(`/w${writer}/left`));
      assert.equal(left, Number(await keeper.get(`/w${writer}/right`)));
      assert.ok(
        left >= record.acknowledged && left <= record.sent,
        `round ${round}, writer ${writer}: ${left} is there, ${record.acknowledged} was acknowledged`,
      );
      record.sent = left;
    }
  }
  assert.ok(total() > 100, `only ${total()} writes were made`);
  await keeper.close();
  await server.kill();
  await rm(directory, { recursive: true });
});
