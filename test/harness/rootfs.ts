// Makes a small root file system with a login: busybox, bash, dropbear, sftp-server, the user zuul.
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { generateSshKey } from "../../lib/provider/ssh_keys.ts";

const run = promisify(execFile);

/** A root file system as a tar, and the key that opens it. */
export interface Rootfs {
  /** The tar, not compressed. */
  readonly path: string;
  /** The private key of the user zuul, in OpenSSH's format. */
  readonly privateKey: string;
  /** A file with that key that `ssh -i` takes. */
  readonly privateKeyFile: string;
  remove(): Promise<void>;
}

/** What the tar holds beside busybox and bash. */
export interface RootfsOptions {
  /** An SSH server and its start. @default true */
  readonly sshServer?: boolean;
  /** @default true */
  readonly sftpServer?: boolean;
}

const NODE_INIT = `#!/bin/sh
set -e
mkdir -p /etc/dropbear /run
for type in ed25519 ecdsa rsa; do
  test -s /etc/dropbear/dropbear_$\{type}_host_key || dropbearkey -t $type -f /etc/dropbear/dropbear_$\{type}_host_key >/dev/null 2>&1
done
echo starting dropbear
exec dropbear -F -E -s -p 22
`;

/** Makes the tar in a temporary directory. Needs busybox-static, bash-static, dropbear-bin, openssh-sftp-server. */
export async function makeRootfs(options: RootfsOptions = {}): Promise<Rootfs> {
  const directory = await mkdtemp(join(tmpdir(), "nodepool-rootfs-"));
  try {
    return await fillRootfs(directory, options);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Writes a program into the folder that stands for disk-image-create where it does not matter what is built: it puts the
 * tar where `-o` says. @returns its path
 */
export async function writeBuildCommand(folder: string, rootfs: Rootfs): Promise<string> {
  const path = join(folder, "build");
  await writeFile(path, buildScript(rootfs.path), { mode: 0o755 });
  return path;
}

function buildScript(tar: string): string {
  return `#!/bin/sh -e
while [ "$1" != -o ]; do shift; done
cp ${tar} "$2.tar"
md5sum "$2.tar" > "$2.tar.md5"
sha256sum "$2.tar" > "$2.tar.sha256"
`;
}

async function fillRootfs(directory: string, options: RootfsOptions): Promise<Rootfs> {
  const root = join(directory, "root");
  const folders =
    "bin sbin etc root tmp proc dev sys run usr/bin usr/sbin usr/local/bin usr/lib/openssh var/log";
  for (const folder of [...folders.split(" "), "home/zuul/.ssh"])
    await mkdir(join(root, folder), { recursive: true });
  await copyFile("/bin/busybox", join(root, "bin/busybox"));
  const applets = (await run("/bin/busybox", ["--list"])).stdout.trim().split("\n");
  for (const applet of applets) {
    if (applet !== "busybox") await symlink("busybox", join(root, "bin", applet));
  }
  await copyFile("/bin/bash-static", join(root, "bin/bash"));
  if (options.sshServer !== false) {
    for (const program of ["/usr/sbin/dropbear", "/usr/bin/dropbearkey"]) await copyProgram(program, root);
    await writeFile(join(root, "usr/local/bin/nodepool-node-init"), NODE_INIT);
    await chmod(join(root, "usr/local/bin/nodepool-node-init"), 0o755);
  }
  if (options.sftpServer !== false) {
    await copyProgram("/usr/lib/openssh/sftp-server", root);
    // Where dropbear looks for it.
    await symlink("openssh/sftp-server", join(root, "usr/lib/sftp-server"));
  }
  await chmod(join(root, "tmp"), 0o1777);
  const privateKey = await writeAccounts(root);
  const path = join(directory, "rootfs.tar");
  await run("tar", ["--numeric-owner", "-C", root, "-cf", path, "."]);
  await rm(root, { recursive: true });
  const privateKeyFile = join(directory, "key");
  await writeFile(privateKeyFile, privateKey, { mode: 0o600 });
  return { path, privateKey, privateKeyFile, remove: () => rm(directory, { recursive: true, force: true }) };
}

async function writeAccounts(root: string): Promise<string> {
  const accounts = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nzuul:x:1000:1000:Zuul:/home/zuul:/bin/bash\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\nzuul:*:19000:0:99999:7:::\n",
    "etc/group": "root:x:0:\nzuul:x:1000:\n",
    "etc/shells": "/bin/sh\n/bin/bash\n",
    "etc/image-mark": "made by the harness\n",
  };
  for (const [file, text] of Object.entries(accounts)) await writeFile(join(root, file), text);
  const pair = await generateSshKey("ed25519");
  await writeFile(join(root, "home/zuul/.ssh/authorized_keys"), `${pair.publicKey} operator\n`, {
    mode: 0o600,
  });
  await chmod(join(root, "home/zuul/.ssh"), 0o700);
  await run("chown", ["-R", "1000:1000", join(root, "home/zuul")]).catch(() => {});
  return pair.privateKey;
}

/** Copies a program of this machine with its libraries. */
async function copyProgram(program: string, root: string): Promise<void> {
  const { stdout } = await run("ldd", [program]);
  const libraries = [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
  for (const file of [program, ...libraries]) {
    const target = join(root, dirname(file), basename(file));
    await mkdir(dirname(target), { recursive: true });
    await copyFile(file, target);
    await chmod(target, 0o755);
  }
}
