import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { after, before, describe, it } from "node:test";
import ssh2, { type Client, type ClientChannel } from "ssh2";
import { generateSshKey } from "../../ssh_keys.ts";
import type { CommandEnd, RunningCommand } from "./runner.ts";
import { serveSession } from "./ssh_session.ts";

const MEGABYTE = Buffer.alloc(1024 * 1024);

/** A command whose streams are in the test's hand. `killed` resolves when it is killed. */
function commandByHand() {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const killed = Promise.withResolvers<void>();
  return {
    stdin,
    stdout,
    stderr,
    exited: new Promise<CommandEnd>(() => {}),
    closed: Promise.all([once(stdout, "end"), once(stderr, "end")]).then(() => {}),
    resize: () => {},
    signal: () => {},
    kill: () => killed.resolve(),
    killed: killed.promise,
  } satisfies RunningCommand & { killed: Promise<void> };
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
  after(() => {
    client.destroy();
    server.close();
  });

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

  it("is over for its command when a client goes that has read nothing", async () => {
    const command = commandByHand();
    const channel = await run(command);
    // More than the client's window and the buffers in front of it take.
    for (let megabytes = 0; megabytes < 8; megabytes += 1) command.stderr.write(MEGABYTE);
    await once(channel.stderr, "readable");
    client.destroy();
    await command.killed;
    command.stderr.end(MEGABYTE);
    await once(command.stderr, "end", { signal: AbortSignal.timeout(20_000) });
  });
});
