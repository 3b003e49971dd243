import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { PassThrough, type Readable } from "node:stream";
import { after, afterEach, before, describe, it } from "node:test";
import ssh2, { type Client, type ClientChannel } from "ssh2";
import { abortable } from "../../../std/abortable.ts";
import { generateSshKey } from "../../ssh_keys.ts";
import type { CommandEnd, RunningCommand } from "./runner.ts";
import { serveSession } from "./ssh_session.ts";

/** More than a client's window and the buffers in front of it take. */
const MUCH = Buffer.alloc(8 * 1024 * 1024);

/** A command whose streams are in the test's hand. `killed` resolves when it is killed. */
function commandByHand() {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const exit = Promise.withResolvers<CommandEnd>();
  const killed = Promise.withResolvers<void>();
  return {
    stdin,
    stdout,
    stderr,
    exited: exit.promise,
    exit: exit.resolve,
    closed: Promise.all([once(stdout, "end"), once(stderr, "end")]).then(() => {}),
    resize: () => {},
    signal: () => {},
    kill: () => killed.resolve(),
    killed: killed.promise,
  } satisfies RunningCommand & { killed: Promise<void>; exit: (end: CommandEnd) => void };
}

async function lengthOf(stream: Readable): Promise<number> {
  let length = 0;
  for await (const piece of stream) length += (piece as Buffer).length;
  return length;
}

describe("a session", () => {
  let server: ssh2.Server;
  let client: Client;
  const commands: RunningCommand[] = [];

  before(async () => {
    const hostKey = (await generateSshKey("ed25519")).privateKey;
    server = new ssh2.Server({ hostKeys: [hostKey] }, (connection) => {
      connection.on("error", () => {});
      connection.on("authentication", (attempt) => attempt.accept());
      connection.on("session", (accept) => {
        serveSession(
          accept(),
          async () => commands.shift() ?? Promise.reject(new Error("no command")),
          false,
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterEach(() => client.destroy());
  after(() => server.close());

  /** Runs a command for a new client; what it writes is read by nobody yet. */
  const run = async (command: RunningCommand): Promise<ClientChannel> => {
    commands.push(command);
    client = new ssh2.Client();
    client.on("error", () => {});
    client.connect({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, username: "zuul" });
    await once(client, "ready");
    return new Promise((resolve, reject) => {
      client.exec("anything", (error, channel) => (error ? reject(error) : resolve(channel)));
    });
  };

  it("brings all of both outputs and the exit code to a client that reads slowly", async () => {
    const command = commandByHand();
    const channel = await run(command);
    const codes: unknown[] = [];
    channel.on("exit", (code: unknown) => codes.push(code));
    // More than the client's window: one output waits for it, then the other, then both.
    command.stdout.write(MUCH);
    await once(channel, "readable");
    command.stderr.end(MUCH);
    const lengths = Promise.all([lengthOf(channel), lengthOf(channel.stderr)]);
    command.stdout.end(MUCH);
    command.exit({ code: 7, signal: null });
    assert.deepEqual(await abortable(lengths, AbortSignal.timeout(120_000)), [2 * MUCH.length, MUCH.length]);
    assert.deepEqual(codes, [7]);
  });

  it("is over for its command when a client goes that has read nothing", async () => {
    const command = commandByHand();
    const channel = await run(command);
    command.stderr.write(MUCH);
    await once(channel.stderr, "readable");
    client.destroy();
    await command.killed;
    command.stderr.end(MUCH);
    await once(command.stderr, "end", { signal: AbortSignal.timeout(120_000) });
  });
});
