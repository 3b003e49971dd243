// SSH host keys as OpenSSH writes them: type and base64.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

/** The types of key that can be scanned for. */
export const HOST_KEY_TYPES = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "ssh-rsa",
] as const;

export type HostKeyType = (typeof HOST_KEY_TYPES)[number];

/** A key that was understood. */
export interface HostKey {
  readonly type: HostKeyType;
  /** "type base64", without a comment. */
  readonly line: string;
}

/** Reads a line as in a .pub or a known_hosts file's last fields; a text says what is wrong with it. */
export function parseHostKey(text: string): HostKey | string {
  const [word = "", blob = ""] = text.trim().split(/\s+/);
  const type = HOST_KEY_TYPES.find((known) => known === word);
  if (type === undefined) {
    return `its type is '${word}'; known are ${HOST_KEY_TYPES.join(", ")}`;
  }
  const bytes = Buffer.from(blob, "base64");
  if (blob === "" || bytes.toString("base64").replace(/=+$/, "") !== blob.replace(/=+$/, "")) {
    return "what follows its type is not base64";
  }
  const length = bytes.length >= 4 ? bytes.readUInt32BE(0) : 0;
  const inside = bytes.toString("latin1", 4, 4 + length);
  if (inside !== type || bytes.length <= 8 + length) {
    return `what follows its type is not a key of type ${type}; was it cut off?`;
  }
  return { type, line: `${type} ${blob}` };
}

/** The types of these keys, each once and the preferred first; those of an unknown type are left out. */
export function typesOf(lines: readonly string[]): readonly HostKeyType[] {
  return HOST_KEY_TYPES.filter((type) => lines.some((line) => line.startsWith(`${type} `)));
}

/** A key in the short form that ssh-keygen -l shows: "ssh-ed25519 SHA256:…". */
export function fingerprint(line: string): string {
  const [type = "", blob = ""] = line.split(" ");
  const digest = createHash("sha256").update(Buffer.from(blob, "base64")).digest("base64");
  return `${type} SHA256:${digest.replace(/=+$/, "")}`;
}
