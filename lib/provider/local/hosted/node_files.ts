// The files of a node: its root directory, a copy of an image, and its host keys.

import { chmod, mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { z } from "zod";
import { removeTree } from "../../../host/remove_tree.ts";
import { ProviderError } from "../../contract.ts";
import { generateSshKey } from "../../ssh_keys.ts";
import { failureOf, runProgram } from "../program.ts";
import { authorizedKeys, findAccount } from "./accounts.ts";
import { writeWhole } from "./records.ts";
import { readInRoot, resolveInRoot } from "./rooted_path.ts";

/** The root directory of a node, in the node's directory. */
export function rootOf(directory: string): string {
  return join(directory, "rootfs");
}

/** The node's private host keys in OpenSSH's format. */
export async function readHostKeys(directory: string): Promise<string[]> {
  return z.array(z.string()).parse(JSON.parse(await readFile(keyFile(directory), "utf8")));
}

/**
 * Gives a node its root directory and new host keys; what an interrupted attempt has left is replaced.
 * @throws {ProviderError} when nobody could log in as the user, or the image cannot be copied
 */
export async function furnishNode(
  directory: string,
  image: string,
  username: string | null,
  signal: AbortSignal,
): Promise<void> {
  const root = rootOf(directory);
  const keys = Promise.all([generateSshKey("ed25519"), generateSshKey("ecdsa"), generateSshKey("rsa")]);
  keys.catch(() => {});
  await removeTree(root, signal);
  const clone = process.platform === "darwin" ? ["-a", "-c"] : ["-a", "--reflink=auto"];
  const copied = await runProgram("cp", [...clone, "--", image, root], signal);
  if (copied.code !== 0) throw new ProviderError(`the image could not be copied: ${failureOf(copied)}`);
  if (username !== null) await checkLogin(root, username);
  await provideResolver(root);
  const privateKeys = (await keys).map(({ privateKey }) => privateKey);
  await writeWhole(keyFile(directory), JSON.stringify(privateKeys));
  signal.throwIfAborted();
}

/** A refusal that no repetition helps. */
export function refused(message: string): ProviderError {
  return new ProviderError(message, { retryable: false });
}

function keyFile(directory: string): string {
  return join(directory, "host_keys.json");
}

async function checkLogin(root: string, username: string): Promise<void> {
  const account = await findAccount(root, username);
  if (account === null) throw refused(`the image has no user ${username}: nobody could log in`);
  if ((await authorizedKeys(root, account)).length === 0) {
    throw refused(`the image has no public key in ${account.home}/.ssh/authorized_keys: nobody could log in`);
  }
}

/** Names resolve in a node as on this machine, unless its image says how. */
async function provideResolver(root: string): Promise<void> {
  if (((await readInRoot(root, "/etc/resolv.conf")) ?? "") !== "") return;
  const ours = await readFile("/etc/resolv.conf").catch(() => null);
  if (ours === null) return;
  const path = await resolveInRoot(root, "/etc/resolv.conf");
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await writeWhole(path, ours.toString());
  await chmod(path, 0o644);
}
