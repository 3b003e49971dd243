// Holds the dependency rules of docs/architecture.md: who may import whom, and who may touch the outside world.
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { outsideUses } from "./outside_uses.ts";
import { isTestFile, sourceFiles } from "./source_files.ts";

interface Import {
  readonly specifier: string;
  /** The path within the project, or undefined for a package. */
  readonly target: string | undefined;
  readonly typeOnly: boolean;
}

const STATEMENT = /^\s*(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?["']([^"']+)["']/gm;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']\s*\)/g;

function importsOf(path: string, source: string): Import[] {
  const resolve = (specifier: string) =>
    specifier.startsWith(".") ? normalize(join(dirname(path), specifier)) : undefined;
  const found: Import[] = [];
  for (const match of source.matchAll(STATEMENT)) {
    const specifier = match[2] ?? "";
    found.push({ specifier, target: resolve(specifier), typeOnly: match[1] !== undefined });
  }
  for (const match of source.matchAll(DYNAMIC)) {
    const specifier = match[1] ?? "";
    found.push({ specifier, target: resolve(specifier), typeOnly: false });
  }
  return found;
}

const within = (path: string, ...folders: string[]) => folders.some((folder) => path.startsWith(folder));
const serviceOf = (path: string) => /^services\/([^/]+)\//.exec(path)?.[1];

/** What the standalone process may take from the services that it composes. */
const COMPOSED = new Set(["services/builder/builder.ts", "services/launcher/launcher.ts"]);

function refuse(path: string, imported: Import): string | undefined {
  return imported.target === undefined ? refusePackage(path, imported) : refuseFile(path, imported.target);
}

function refusePackage(path: string, { specifier, typeOnly }: Import): string | undefined {
  if (specifier.startsWith("node:")) return undefined;
  if (within(path, "lib/std/", "lib/model/")) return "lib/std and lib/model import no packages";
  if (specifier.startsWith("node-zookeeper-client") && !within(path, "lib/zookeeper/")) {
    return "node-zookeeper-client is only for lib/zookeeper";
  }
  const isGrpc = specifier.startsWith("@grpc/") || specifier.startsWith("nice-grpc");
  if (isGrpc && !typeOnly && !within(path, "lib/rpc/")) return "grpc-js and nice-grpc are only for lib/rpc";
  return undefined;
}

function refuseFile(path: string, target: string): string | undefined {
  const [service, other] = [serviceOf(path), serviceOf(target)];
  if (isTestFile(target)) return "only tests import tests";
  if (path.startsWith("lib/") && !target.startsWith("lib/")) return "lib knows nothing outside lib";
  if (path.startsWith("lib/std/") && !target.startsWith("lib/std/")) return "lib/std imports lib/std only";
  if (path.startsWith("lib/model/") && !within(target, "lib/model/", "lib/std/")) {
    return "lib/model imports lib/model and lib/std only";
  }
  if (service !== undefined && other !== undefined && service !== other) {
    const composes = service === "standalone" && COMPOSED.has(target);
    if (!composes) return "services do not import each other";
  }
  const mayUseGenerated = /^(lib\/rpc\/|services\/[^/]+\/rpc\/|services\/(cli|standalone)\/)/.test(path);
  if (target.startsWith("lib/rpc/gen/") && !mayUseGenerated) {
    return "generated code is only for lib/rpc, services/*/rpc, the CLI and the standalone screen";
  }
  return undefined;
}

/** A cycle of imports that exist at run time, or undefined. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (path: string, trail: string[]): string[] | undefined => {
    const start = trail.indexOf(path);
    if (start >= 0) return [...trail.slice(start), path];
    if (done.has(path)) return undefined;
    for (const next of graph.get(path) ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle !== undefined) return cycle;
    }
    done.add(path);
    return undefined;
  };
  for (const path of graph.keys()) {
    const cycle = visit(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

const problems: string[] = [];
const graph = new Map<string, string[]>();
for (const path of sourceFiles()) {
  const source = readFileSync(path, "utf8");
  const imports = importsOf(path, source);
  graph.set(
    path,
    imports.flatMap(({ target, typeOnly }) => (target === undefined || typeOnly ? [] : [target])),
  );
  if (isTestFile(path)) continue;
  for (const imported of imports) {
    const reason = refuse(path, imported);
    if (reason !== undefined) problems.push(`${path}: imports ${imported.specifier}: ${reason}`);
  }
  if (!within(path, "lib/", "services/")) continue;
  for (const what of outsideUses(path, source)) {
    problems.push(`${path}: reaches for ${what}; take it through an interface`);
  }
}
const cycle = findCycle(graph);
if (cycle !== undefined) problems.push(`import cycle: ${cycle.join(" -> ")}`);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
