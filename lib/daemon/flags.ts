// The command line of a daemon. Nodepool's own flags are all understood, so that old unit files go on working.
import { parseArgs } from "node:util";
import { AddressError, parseAddress } from "../rpc/address.ts";
import { messageOf } from "../std/errors.ts";
import { LOG_LEVELS, type LogFormat, type LogLevel } from "../telemetry/logger.ts";

/** A command line that cannot be understood, in one sentence. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** A flag of one daemon only, with a whole number of 1 or more. */
export interface NumberFlag {
  readonly help: string;
  readonly default: number;
}

/** What a daemon was told. */
export interface DaemonFlags {
  readonly config: string;
  readonly secure: string | null;
  readonly listen: string;
  readonly pidfile: string | null;
  readonly logLevel: LogLevel;
  /** null: text for a terminal, else JSON. */
  readonly logFormat: LogFormat | null;
  /** Seconds. */
  readonly grace: number;
  /** The daemon's own flags. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Flags that were given and mean nothing here, with the reason. */
  readonly ignored: readonly string[];
  readonly wants: "run" | "help" | "version";
}

/** Which daemon it is. */
export interface FlagDefaults {
  readonly listen: string;
  readonly numbers: Readonly<Record<string, NumberFlag>>;
}

const TEXT = { type: "string" } as const;
const SWITCH = { type: "boolean" } as const;

const OPTIONS = {
  config: { ...TEXT, short: "c" },
  secure: { ...TEXT, short: "s" },
  listen: TEXT,
  pidfile: { ...TEXT, short: "p" },
  "log-config": { ...TEXT, short: "l" },
  "log-level": TEXT,
  "log-format": TEXT,
  grace: TEXT,
  debug: { ...SWITCH, short: "d" },
  foreground: { ...SWITCH, short: "f" },
  "no-webapp": SWITCH,
  version: SWITCH,
  help: { ...SWITCH, short: "h" },
} as const;

/** Reads a command line (without the program). @throws {UsageError} */
export function parseFlags(args: readonly string[], defaults: FlagDefaults): DaemonFlags {
  const own = Object.fromEntries(Object.keys(defaults.numbers).map((name) => [name, TEXT]));
  const values = readValues(args, { ...OPTIONS, ...own });
  const text = (name: string) => (typeof values[name] === "string" ? values[name] : undefined);
  const numbers = Object.entries(defaults.numbers).map(([name, flag]) => [
    name,
    wholeNumber(name, text(name) ?? String(flag.default), 1),
  ]);
  const ignored = [
    ...(values["log-config"] === undefined ? [] : ["-l: use --log-level and --log-format"]),
    ...(values["no-webapp"] === undefined ? [] : ["--no-webapp: there is no web page yet"]),
  ];
  const level = text("log-level") ?? (values.debug === true ? "debug" : "info");
  const format = text("log-format");
  return {
    config: text("config") ?? "/etc/nodepool/nodepool.yaml",
    secure: text("secure") ?? null,
    listen: listenAddress("listen", text("listen") ?? defaults.listen),
    pidfile: text("pidfile") ?? null,
    logLevel: oneOf("log-level", level, LOG_LEVELS),
    logFormat: format === undefined ? null : oneOf("log-format", format, ["text", "json"] as const),
    grace: wholeNumber("grace", text("grace") ?? "30", 0),
    numbers: Object.fromEntries(numbers),
    ignored,
    wants: values.help === true ? "help" : values.version === true ? "version" : "run",
  };
}

function readValues(
  args: readonly string[],
  options: Readonly<Record<string, { type: "string" | "boolean"; short?: string }>>,
): Readonly<Record<string, unknown>> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(messageOf(error).replace(/ To specify a positional.*$/s, ""));
  }
}

/** The address that a flag gives. @throws {UsageError} when it can be none */
export function listenAddress(flag: string, value: string): string {
  try {
    parseAddress(value);
    return value;
  } catch (error) {
    if (error instanceof AddressError) throw new UsageError(`--${flag}: ${error.message}`);
    throw error;
  }
}

function oneOf<Word extends string>(flag: string, value: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === value);
  if (found === undefined) throw new UsageError(`--${flag} ${value}: expected one of ${words.join(", ")}`);
  return found;
}

function wholeNumber(flag: string, value: string, least: number): number {
  if (!/^\d{1,6}$/.test(value) || Number(value) < least) {
    throw new UsageError(`--${flag} ${value}: expected a whole number of ${least} or more`);
  }
  return Number(value);
}

/** The text of --help. */
export function helpText(program: string, defaults: FlagDefaults): string {
  const own = Object.entries(defaults.numbers).map(([name, flag]) =>
    line(`--${name} N`, `${flag.help} (default ${flag.default})`),
  );
  return `usage: ${program} [-c FILE] [-s FILE] [--listen ADDRESS] [options]

Runs in the foreground until SIGTERM or SIGINT; a supervisor such as systemd keeps it running.

options:
${line("-c, --config FILE", "the configuration (default /etc/nodepool/nodepool.yaml)")}
${line("-s, --secure FILE", "a file with secrets, merged into the configuration")}
${line("--listen ADDRESS", `HOST:PORT, [IPv6]:PORT or unix:/PATH for gRPC (default ${defaults.listen})`)}
${own.join("\n")}${own.length > 0 ? "\n" : ""}${line("-p, --pidfile FILE", "write the process id there")}
${line("--grace SECONDS", "time to stop in, after a signal (default 30)")}
${line("--log-level LEVEL", "debug, info, warn or error (default info)")}
${line("--log-format FORMAT", "text or json (default: text on a terminal, else json)")}
${line("-d", "log at level debug; as Nodepool's -d it stays in the foreground")}
${line("-f", "accepted: it always stays in the foreground and never daemonises")}
${line("--version", "show the version")}
${line("-h, --help", "show this help")}

signals: SIGTERM, SIGINT, SIGUSR1 stop in order, a second one ends it at once; SIGHUP has the configuration read again;
SIGUSR2 starts or ends a CPU profile.
exit codes: 0 stopped, 2 wrong flags, 69 cannot listen, 70 a defect, 73 no pid file, 78 wrong configuration.
`;
}

function line(flag: string, help: string): string {
  return `  ${flag.padEnd(24)}${help}`;
}
