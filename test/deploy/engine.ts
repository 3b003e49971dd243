// A container engine with a storage of its own, and a base image made of this machine's files: so that our container
// files are built for real where no registry can be reached, and nothing of it stays behind.
import { access, cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { runCommand } from "../harness/program.ts";

/** An image may take this many milliseconds to build on a busy machine. */
const BUILD_TIMEOUT = 240_000;

/** Runs a command that must succeed, and returns what it wrote. */
export async function mustRun(command: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(command, args, { timeoutMs: BUILD_TIMEOUT });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** Where a program is, or null. */
export async function findProgram(name: string): Promise<string | null> {
  for (const folder of (process.env.PATH ?? "").split(":")) {
    const candidate = path.join(folder, name);
    if (await exists(candidate)) return candidate;
  }
  return null;
}

/** Whether there is a file or folder. */
export const exists = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );

/** An engine that builds and runs images in a storage of its own. */
export interface Engine {
  /** Builds a container file from a folder and returns what the build said. */
  build(options: {
    file: string;
    context: string;
    tag: string;
    args?: Record<string, string>;
  }): Promise<string>;
  /** Runs a command in a new container without a network, and removes the container. */
  run(
    image: string,
    options: { entrypoint?: string; args: readonly string[] },
  ): ReturnType<typeof runCommand>;
  /** A value of an image's description, as ".Config.User". */
  inspect(image: string, template: string): Promise<string>;
  /** Removes everything that was built. */
  close(): Promise<void>;
}

/** Podman with a fresh storage; null, with the reason, where it does not work. */
export async function openEngine(): Promise<{ engine: Engine } | { engine: null; reason: string }> {
  if ((await findProgram("podman")) === null) return { engine: null, reason: "podman is not installed" };
  const folder = await mkdtemp(path.join(tmpdir(), "nodepool-deploy-"));
  // runc where it is, as crun refuses machines with both versions of control groups.
  const runtime = (await findProgram("runc")) === null ? [] : ["--runtime", "runc"];
  const storage = ["--root", path.join(folder, "root"), "--runroot", path.join(folder, "run"), ...runtime];
  const probe = await runCommand("podman", [...storage, "info"]);
  if (probe.code !== 0) {
    await rm(folder, { recursive: true, force: true });
    return { engine: null, reason: `podman does not work here: ${probe.stderr.trim()}` };
  }
  return { engine: podman(folder, storage) };
}

function podman(folder: string, storage: readonly string[]): Engine {
  const cache = process.env.npm_config_cache ?? path.join(homedir(), ".npm");
  return {
    build: async ({ file, context, tag, args = {} }) => {
      // chroot isolation needs no control groups, and the host's network reaches npm's registry as the host does.
      const options = ["--isolation", "chroot", "--network", "host", "-f", file, "-t", tag];
      if (await exists(cache)) options.push("--volume", `${cache}:/npm-cache`);
      for (const [key, value] of Object.entries(args)) options.push("--build-arg", `${key}=${value}`);
      return await mustRun("podman", [...storage, "build", ...options, context]);
    },
    run: (image, { entrypoint, args }) => {
      // The limits are named, as podman's own are above what some machines allow.
      const options = [
        "--rm",
        "--network",
        "none",
        "--ulimit",
        "nofile=1024:1024",
        "--ulimit",
        "nproc=1024:1024",
      ];
      if (entrypoint !== undefined) options.push("--entrypoint", entrypoint);
      return runCommand("podman", [...storage, "run", ...options, image, ...args]);
    },
    inspect: async (image, template) =>
      (
        await mustRun("podman", [...storage, "image", "inspect", "--format", `{{${template}}}`, image])
      ).trim(),
    close: async () => {
      await runCommand("podman", [...storage, "rmi", "--all", "--force"]);
      await runCommand("umount", [path.join(folder, "root", "overlay")]);
      // What is mounted below may be busy for a moment more.
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

const BASE_PROGRAMS = ["sh", "env", "ln", "mkdir", "chown", "chmod", "cat", "id", "rm", "sleep", "tini"];

/** Makes an image of Node, npm and a few programs of this machine, with the libraries that they need. */
export async function buildBaseImage(engine: Engine, node: string, tag: string): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "nodepool-base-"));
  try {
    const root = path.join(folder, "rootfs");
    for (const name of ["bin", "etc", "tmp", "root", "usr/local/bin", "usr/local/lib"]) {
      await mkdir(path.join(root, name), { recursive: true });
    }
    await symlink("../bin", path.join(root, "usr/bin"));
    await copyProgram(node, path.join(root, "usr/local/bin/node"), root);
    for (const name of BASE_PROGRAMS) {
      const program = await findProgram(name);
      if (program === null) throw new Error(`this machine has no ${name}`);
      await copyProgram(program, path.join(root, "bin", name), root);
    }
    await cp(await findNpm(), path.join(root, "usr/local/lib/npm"), { recursive: true });
    await symlink("../lib/npm/bin/npm-cli.js", path.join(root, "usr/local/bin/npm"));
    const environment = [
      "PATH=/usr/local/bin:/usr/bin:/bin",
      "npm_config_cache=/npm-cache",
      "npm_config_prefer_offline=true",
      "npm_config_update_notifier=false",
    ];
    const authorities = process.env.NODE_EXTRA_CA_CERTS;
    if (authorities !== undefined && (await exists(authorities))) {
      await cp(authorities, path.join(root, "etc/authorities.pem"), { dereference: true });
      environment.push("NODE_EXTRA_CA_CERTS=/etc/authorities.pem");
    }
    const file = path.join(folder, "Containerfile");
    await writeFile(file, `FROM scratch\nCOPY rootfs /\nENV ${environment.join(" ")}\n`);
    await engine.build({ file, context: folder, tag });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function copyProgram(program: string, target: string, root: string): Promise<void> {
  await cp(program, target, { dereference: true });
  const { stdout } = await runCommand("ldd", [program]);
  for (const [library] of stdout.matchAll(/(?<= |\t)\/[^ ]+/g)) {
    await cp(library, path.join(root, library), { dereference: true });
  }
}

async function findNpm(): Promise<string> {
  const program = process.env.npm_execpath ?? (await findProgram("npm"));
  if (program === null) throw new Error("this machine has no npm");
  const folder = path.dirname(path.dirname(await realpath(program)));
  const { name } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
  if (name !== "npm") throw new Error(`${program} is not npm but ${name}`);
  return folder;
}
