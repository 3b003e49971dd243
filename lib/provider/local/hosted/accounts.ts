// Who may log in to a node: the users of its image and their authorized keys.
import ssh2, { type ParsedKey } from "ssh2";
import { kindInRoot, readInRoot } from "./rooted_path.ts";

/** A user of an image. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** As the node sees it. */
  readonly home: string;
  readonly shell: string;
}

/** The user of this name in the root's etc/passwd; null when there is none. */
export async function findAccount(root: string, name: string): Promise<Account | null> {
  const passwd = (await readInRoot(root, "/etc/passwd")) ?? "";
  for (const line of passwd.split("\n")) {
    const [user, , uid = "", gid = "", , home = "", shell = ""] = line.split(":");
    if (user !== name || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) continue;
    const homeExists = home !== "" && (await kindInRoot(root, home)) === "directory";
    return {
      name,
      uid: Number(uid),
      gid: Number(gid),
      home: homeExists ? home : "/",
      shell: shell === "" ? "/bin/sh" : shell,
    };
  }
  return null;
}

/**
 * The public keys in the account's ~/.ssh/authorized_keys, read anew so that keys which a job adds or removes count.
 * A line with options (`command=`, `from=`) is left out: its restriction could not be kept.
 */
export async function authorizedKeys(root: string, account: Account): Promise<ParsedKey[]> {
  const text = await readInRoot(root, `${account.home}/.ssh/authorized_keys`);
  if (text === null) return [];
  return text.split("\n").flatMap((line) => {
    const trimmed = line.trim();
    if (!/^(ssh-|ecdsa-)\S+ /.test(trimmed)) return [];
    const key = ssh2.utils.parseKey(trimmed);
    return key instanceof Error ? [] : [key].flat();
  });
}
