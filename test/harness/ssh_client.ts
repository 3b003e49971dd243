// An SSH client for tests: logs in to instances, runs commands, moves files.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import ssh2, { type Client } from "ssh2";
import type { Instance } from "../../lib/provider/contract.ts";

/** How a command ended that was run over SSH. */
export interface RemoteResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Logs in to an instance; a server that does not listen yet is tried again for a while. */
export async function connect(
  instance: Instance,
  username: string,
  privateKey: string,
  attempts = 20,
): Promise<Client> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connectOnce(instance, username, privateKey);
    } catch (error) {
      if (attempt >= attempts || instance.connectionPort === null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function connectOnce(instance: Instance, username: string, privateKey: string): Promise<Client> {
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    client.once("ready", () => resolve(client.setNoDelay(true)));
    client.on("error", reject);
    client.connect({
      host: instance.interfaceIp ?? "",
      port: instance.connectionPort ?? 22,
      username,
      privateKey,
      readyTimeout: 15_000,
    });
  });
}

/** Runs a command and collects what it writes. */
export function runRemote(
  client: Client,
  command: string,
  options: { input?: Buffer; pty?: { term: string; rows: number; cols: number } } = {},
): Promise<RemoteResult> {
  const { input, pty } = options;
  return new Promise((resolve, reject) => {
    client.exec(command, pty === undefined ? {} : { pty }, (error, channel) => {
      if (error !== undefined) {
        reject(error);
        return;
      }
      const stdout: Buffer[] = [];
      let stderr = "";
      let code: number | null = null;
      channel.on("data", (chunk: Buffer) => stdout.push(chunk));
      channel.stderr.on("data", (chunk: Buffer) => {
        stderr += String(chunk);
      });
      channel.on("exit", (value: number | null) => {
        code = value;
      });
      channel.once("close", () => resolve({ code, stdout: Buffer.concat(stdout), stderr }));
      if (pty === undefined) channel.end(input ?? Buffer.alloc(0));
    });
  });
}

/** Writes a file over SFTP and reads it again. */
export function throughSftp(client: Client, path: string, content: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.sftp((opening, sftp) => {
      if (opening !== undefined) {
        reject(opening);
        return;
      }
      sftp.writeFile(path, content, (writing) => {
        if (writing) {
          reject(writing);
          return;
        }
        sftp.readFile(path, (reading, data) => {
          // The next channel would take the number of this one while the server still has it open.
          sftp.once("close", () => (reading ? reject(reading) : resolve(data)));
          sftp.end();
        });
      });
    });
  });
}

/** Bytes without a short period. */
export function pattern(size: number): Buffer {
  const content = Buffer.alloc(size);
  for (let index = 0; index < size; index += 1) content[index] = (index * 31) % 251;
  return content;
}

/** The SHA-256 of a content, in hex. */
export function digest(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
