// Starts a program of this package: the compiled one when installed from npm, the TypeScript source in a checkout.
// Plain JavaScript for any Node.js, so that an old one gets a sentence instead of a syntax error.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import module from "node:module";
import { homedir } from "node:os";
import { dirname, join, sep } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [major, minor] = process.versions.node.split(".").map(Number);
const runsTypeScript = major > 22 || (major === 22 && minor >= 18);

/** The program's file. Node.js refuses TypeScript below node_modules, so an installed package has dist/. */
function programFile(program) {
  const source = join(root, "services", program, "main.ts");
  const built = join(root, "dist", "services", program, "main.js");
  const installed = root.includes(`${sep}node_modules${sep}`) || !existsSync(source);
  return installed ? built : source;
}

/**
 * Keeps what Node.js makes of the sources, for the next start: it takes two thirds of the time that a command needs. In
 * the user's own folder, for in one that others write to somebody could put other code. Does nothing where that cannot be.
 */
function keepCompiled() {
  if (process.env.NODE_COMPILE_CACHE) return;
  try {
    // A user who is in no list of users has no home, and asking for it fails.
    const caches = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
    // Not the folders above it: whose home is not there gets none.
    if (!existsSync(caches)) mkdirSync(caches, { mode: 0o700 });
    module.enableCompileCache?.(join(caches, "nodepool"));
  } catch {
    // It goes on without.
  }
}

/** Runs services/<program>/main with this process's arguments. */
export async function launch(program) {
  const file = programFile(program);
  if (runsTypeScript) {
    process.argv[1] = file;
    keepCompiled();
    await import(pathToFileURL(file).href);
    return;
  }
  const bundled = join(root, "node_modules", "node", "bin", "node");
  if (!existsSync(bundled)) {
    console.error(`nodepool needs Node.js 22.18 or newer; this is ${process.version}. In a checkout: npm ci`);
    process.exit(69);
  }
  const child = spawn(bundled, [file, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"])
    process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    if (signal !== null) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exit(code ?? 1);
  });
}
