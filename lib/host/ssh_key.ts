import { execFile } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { isAccessible } from "./machine.ts";

/** The key with which the operator logs in to nodes. */
export interface OperatorKey {
  /** One line, as in authorized_keys. */
  readonly publicKey: string;
  /**
   * What `ssh -i` takes: the private key's file, or for a key that only the agent has a file with its public half,
   * by which ssh finds it there.
   */
  readonly privateKeyPath: string;
  readonly source: "home" | "agent" | "made";
}

export interface OperatorKeyOptions {
  /** HOME and SSH_AUTH_SOCK are looked at. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A folder of ours; the key is in its `ssh` when there is none elsewhere. */
  readonly dataDir: string;
}

const NAMES = ["id_ed25519", "id_ecdsa", "id_rsa"];

/**
 * The operator's own key, the agent's first one, or one that is made for Nodepool and kept.
 * @throws when the folder cannot be written
 */
export async function operatorKey(options: OperatorKeyOptions): Promise<OperatorKey> {
  const { env, dataDir } = options;
  for (const name of env.HOME === undefined ? [] : NAMES) {
    const privateKeyPath = join(env.HOME ?? "", ".ssh", name);
    const publicKey = await readPublicKey(`${privateKeyPath}.pub`);
    if (publicKey !== null && (await isAccessible(privateKeyPath))) {
      return { publicKey, privateKeyPath, source: "home" };
    }
  }
  const folder = join(dataDir, "ssh");
  const agentKey = await firstAgentKey(env);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (agentKey !== null) {
    const privateKeyPath = join(folder, "agent_key.pub");
    await writePrivate(privateKeyPath, `${agentKey}\n`);
    return { publicKey: agentKey, privateKeyPath, source: "agent" };
  }
  const privateKeyPath = join(folder, "id_ed25519");
  const kept = await readPublicKey(`${privateKeyPath}.pub`);
  if (kept !== null && (await isAccessible(privateKeyPath))) {
    return { publicKey: kept, privateKeyPath, source: "made" };
  }
  const { privateKey, publicKey } = newKeyPair("nodepool");
  await writePrivate(privateKeyPath, privateKey);
  await writePrivate(`${privateKeyPath}.pub`, `${publicKey}\n`);
  return { publicKey, privateKeyPath, source: "made" };
}

/** The mode holds for a file that was there before, too: ssh refuses keys that others may read. */
async function writePrivate(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  await chmod(path, 0o600);
}

async function readPublicKey(path: string): Promise<string | null> {
  const text = await readFile(path, "utf8").catch(() => "");
  return firstKeyOf(text);
}

async function firstAgentKey(env: OperatorKeyOptions["env"]): Promise<string | null> {
  if (!env.SSH_AUTH_SOCK) return null;
  const { stdout } = await promisify(execFile)("ssh-add", ["-L"], {
    env: { PATH: env.PATH ?? "/usr/bin:/bin", SSH_AUTH_SOCK: env.SSH_AUTH_SOCK },
    timeout: 5000,
  }).catch(() => ({ stdout: "" }));
  return firstKeyOf(stdout);
}

function firstKeyOf(text: string): string | null {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.find((line) => /^(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/]+=*( .*)?$/.test(line)) ?? null;
}

/** A new Ed25519 key in OpenSSH's own format, without a passphrase. */
export function newKeyPair(comment: string): { readonly privateKey: string; readonly publicKey: string } {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { d = "", x = "" } = privateKey.export({ format: "jwk" });
  const type = "ssh-ed25519";
  const point = Buffer.from(x, "base64url");
  const publicBlob = Buffer.concat([wireText(type), wireText(point)]);
  const check = randomBytes(4);
  const secret = Buffer.concat([
    ...[check, check, publicBlob],
    wireText(Buffer.concat([Buffer.from(d, "base64url"), point])),
    wireText(comment),
  ]);
  // The secret part is filled up to the cipher's block size with 1, 2, 3, ...
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    ...[wireText("none"), wireText("none"), wireText("")],
    Buffer.from([0, 0, 0, 1]),
    wireText(publicBlob),
    wireText(Buffer.concat([secret, padding])),
  ]);
  const lines = file.toString("base64").match(/.{1,70}/g) ?? [];
  const armour = (word: string) => `-----${word} OPENSSH PRIVATE KEY-----`;
  return {
    privateKey: `${[armour("BEGIN"), ...lines, armour("END")].join("\n")}\n`,
    publicKey: `${type} ${publicBlob.toString("base64")} ${comment}`,
  };
}

/** Bytes with their length before them, as in the SSH protocol. */
function wireText(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
