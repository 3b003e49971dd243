// What reaches for the outside world in a source, and the files that may: everything else takes it through an interface.

interface Rule {
  readonly pattern: RegExp;
  readonly what: string;
  readonly allowed: RegExp;
}

/** The programs, and what composes them. */
const MAIN = /^services\/.+\/main\.ts$/;
const COMPOSES = /^(services\/.+\/main|services\/standalone\/standalone|lib\/daemon\/daemon)\.ts$/;

/** Files that make names and ids by chance, on which no decision depends. */
const NAMING = [
  "lib/host/ssh_key.ts",
  "lib/provider/local/container/images.ts",
  "lib/provider/local/container/open.ts",
  "lib/provider/local/container/probe.ts",
  "lib/provider/local/hosted/hosted_engine.ts",
  "lib/provider/local/hosted/records.ts",
  "lib/rpc/change_feed.ts",
  "lib/rpc/client.ts",
  "lib/zookeeper/embedded/service.ts",
  "services/cli/command/request.ts",
];
const MAKES_NAMES = new RegExp(`${COMPOSES.source}|^(${NAMING.join("|").replaceAll(".", "\\.")})$`);

/**
 * Files that have no clock: of child processes, of programs that are looked for, of what ends the process, and of the
 * contracts, which are tests.
 */
const TIMING = [
  "lib/daemon/host_name.ts",
  "lib/host/machine.ts",
  "lib/provider/local/container/socket.ts",
  "lib/provider/local/podman_service.ts",
  "lib/std/clock.ts",
  "lib/telemetry/setup.ts",
  "lib/zookeeper/embedded/connection.ts",
  "services/builder/process_group.ts",
];
const HAS_TIMERS = new RegExp(
  `^(${TIMING.join("|").replaceAll(".", "\\.")}|lib/(provider|zookeeper)/contract/.+)$`,
);

const RULES: readonly Rule[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b/,
    what: "the clock",
    allowed: /^lib\/std\/clock\.ts$/,
  },
  {
    pattern: /\bsystemClock\b/,
    what: "the clock",
    allowed: new RegExp(`${COMPOSES.source}|^lib/std/clock\\.ts$`),
  },
  {
    pattern: /\bAbortSignal\.timeout\b|(?<![.\w])set(Timeout|Interval)\b/,
    what: "the machine's timers",
    allowed: HAS_TIMERS,
  },
  { pattern: /\bMath\.random\b/, what: "randomness", allowed: /^$/ },
  { pattern: /\brandom(UUID|Bytes)\b/, what: "randomness", allowed: MAKES_NAMES },
  { pattern: /\bprocess\.exit\(/, what: "process.exit", allowed: MAIN },
  { pattern: /\bprocess\.env\b/, what: "the environment", allowed: MAIN },
  { pattern: /\bprocess\.on\(/, what: "signal handlers", allowed: MAIN },
];

const COMMENTS = /^\s*(\/\/|\*|\/\*).*$/gm;
const IMPORTS = /^import [^;]*;/gm;
/** What stands in where an optional parameter is not given. */
const DEFAULTS = /\?\? (systemClock|Math\.random|randomUUID)\b(?![.(])|= (systemClock|randomUUID)(?=[,)])/g;

/** What a source file of `lib/` or `services/` reaches for without being allowed to, each once, in words. */
export function outsideUses(path: string, source: string): string[] {
  const code = source.replace(COMMENTS, "").replace(IMPORTS, "").replace(DEFAULTS, "");
  const broken = RULES.filter(({ pattern, allowed }) => pattern.test(code) && !allowed.test(path));
  return [...new Set(broken.map(({ what }) => what))];
}
