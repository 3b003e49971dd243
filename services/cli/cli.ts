// The `nodepool` command: reads the command line, runs one command, and turns its end into an exit code.
import { CommanderError, Command as Parser } from "commander";
import { readVersion } from "../../lib/daemon/version.ts";
import type { Clients } from "../../lib/rpc/client.ts";
import { type Clock, systemClock } from "../../lib/std/clock.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { startTelemetry } from "../../lib/telemetry/setup.ts";
import { COMMANDS, type CommandSpec } from "./commands.ts";
import type { CommandContext, Trailing } from "./context.ts";
import { type CliHost, CommandError, EXIT, UsageError } from "./host.ts";
import { printable } from "./output/table.ts";

const LAUNCHER_ADDRESS = "127.0.0.1:8990";
const BUILDER_ADDRESS = "127.0.0.1:8991";
const CONFIG_FILE = "/etc/nodepool/nodepool.yaml";

const EXIT_CODES = `
Exit codes: 0 done, 1 refused, failed or not found, 2 wrong words, 3 something would go (plan), 69 no server answered,
130 interrupted; ssh and request -- COMMAND exit as the command did.`;

/** Runs the command line and returns the exit code. Never rejects. */
export async function runCli(given: CliHost, clock: Clock = systemClock): Promise<number> {
  const host = withPlainErrors(given);
  const { words, trailing } = split(host.argv.slice(2));
  const outcome = { code: EXIT.ok as number };
  const parser = buildParser(host, async (spec, args, options, globals) => {
    outcome.code = await runCommand(host, clock, spec, { args, options, globals, trailing });
  });
  try {
    await parser.parseAsync([...words], { from: "user" });
    return outcome.code;
  } catch (error) {
    if (!(error instanceof CommanderError)) return tellFailure(host, error);
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

/** What servers say on standard error, with names and errors of others in it, must not steer the reader's terminal. */
function withPlainErrors(host: CliHost): CliHost {
  const { argv, env, stdin, stdout, stderr } = host;
  return {
    argv,
    env,
    stdin,
    stdout,
    stderr: { write: (text) => stderr.write(text.split("\n").map(printable).join("\n")) },
    on: (signal, listener) => host.on(signal, listener),
    off: (signal, listener) => host.off(signal, listener),
  };
}

/** What follows the first `--` belongs to another program. */
function split(argv: readonly string[]): { words: readonly string[]; trailing: Trailing } {
  const at = argv.indexOf("--");
  return at < 0
    ? { words: argv, trailing: null }
    : { words: argv.slice(0, at), trailing: argv.slice(at + 1) };
}

type Options = Readonly<Record<string, unknown>>;
type Run = (spec: CommandSpec, args: readonly string[], options: Options, globals: Options) => Promise<void>;

function buildParser(host: CliHost, run: Run): Parser {
  const parser = new Parser("nodepool")
    .description("Operates Nodepool: images, nodes, requests.")
    .version(`Nodepool version: ${readVersion()}`, "--version", "show the version")
    .option(
      "--address <address>",
      `a launcher (default: NODEPOOL_LAUNCHER_ADDRESS, else ${LAUNCHER_ADDRESS})`,
    )
    .option(
      "--builder-address <address>",
      `a builder (default: NODEPOOL_BUILDER_ADDRESS, else ${BUILDER_ADDRESS})`,
    )
    .option("--output <form>", "table or json (the API's own JSON; lists are an array)", "table")
    .option("-c <file>", "the configuration, for config-validate and plan; ignored by other commands")
    .option("-s <file>", "the secure file, for config-validate and plan; ignored by other commands")
    .option("-l <file>", "accepted for old scripts and ignored")
    .option("--debug", "accepted for old scripts and ignored")
    .addHelpText("after", EXIT_CODES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void host.stdout.write(text),
      writeErr: (text) => void host.stderr.write(text.replace(/^error: /, "nodepool: ")),
    });
  for (const spec of COMMANDS) {
    const command = parser.command(spec.words).description(spec.help);
    for (const { flags, help, required } of spec.options ?? []) {
      if (required) command.requiredOption(flags, help);
      else command.option(flags, help);
    }
    if (spec.after !== undefined) command.addHelpText("after", spec.after);
    command.action(() => run(spec, command.args, command.opts(), parser.opts()));
  }
  parser
    .command("version")
    .description("show the version")
    .action(() => void host.stdout.write(`Nodepool version: ${readVersion()}\n`));
  return parser;
}

interface Given {
  readonly args: readonly string[];
  readonly options: Options;
  readonly globals: Options;
  readonly trailing: Trailing;
}

async function runCommand(host: CliHost, clock: Clock, spec: CommandSpec, given: Given): Promise<number> {
  let clients = null as Clients | null;
  const telemetry = await startTelemetry({
    service: "nodepool",
    version: readVersion(),
    env: host.env,
    write: (line) => void host.stderr.write(line),
    isLasting: false,
    flushLimitMs: 2000,
  });
  try {
    const context = makeContext(host, clock, spec, given, async ({ launcherAddress, builderAddress }) => {
      const { connectClients } = await import("../../lib/rpc/client.ts");
      clients ??= connectClients({ launcherAddress, builderAddress, clock });
      return clients;
    });
    if (given.trailing !== null && !/^(ssh|request) /.test(spec.words)) {
      throw new UsageError("-- is for the commands ssh and request only");
    }
    const { run } = await spec.load();
    return await run(context, given.args, given.options);
  } catch (error) {
    return tellFailure(host, error);
  } finally {
    clients?.close();
    await telemetry.shutdown();
  }
}

function makeContext(
  host: CliHost,
  clock: Clock,
  spec: CommandSpec,
  { globals, options, trailing }: Given,
  connect: (addresses: { launcherAddress: string; builderAddress: string }) => Promise<Clients>,
): CommandContext {
  const { env } = host;
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  const output = globals.output;
  if (output !== "table" && output !== "json") {
    throw new UsageError(`--output ${output}: expected table or json`);
  }
  const unused = spec.readsConfig ? ["l", "debug"] : ["c", "s", "l", "debug"];
  const ignored = unused.filter((name) => globals[name] !== undefined);
  if (ignored.length > 0) {
    const flags = ignored.map((name) => (name.length === 1 ? `-${name}` : `--${name}`)).join(", ");
    host.stderr.write(`nodepool: ${flags}: ignored; this program asks a running launcher or builder\n`);
  }
  const launcherAddress = text(globals.address) ?? (env.NODEPOOL_LAUNCHER_ADDRESS || LAUNCHER_ADDRESS);
  const builderAddress = text(globals.builderAddress) ?? (env.NODEPOOL_BUILDER_ADDRESS || BUILDER_ADDRESS);
  const clients = () => connect({ launcherAddress, builderAddress });
  const files = {
    config: text(options.c) ?? text(globals.c) ?? CONFIG_FILE,
    secure: text(options.s) ?? text(globals.s) ?? null,
  };
  return { host, clock, output, launcherAddress, files, trailing, clients };
}

function tellFailure(host: CliHost, error: unknown): number {
  host.stderr.write(`nodepool: ${messageOf(error)}\n`);
  return exitCodeFor(error);
}

function exitCodeFor(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof UsageError) return EXIT.usage;
  // By name: the class is in a file that help and version do without.
  if (!(error instanceof Error)) return EXIT.failed;
  if (error.name === "AddressError") return EXIT.usage;
  const isUnanswered =
    "code" in error && (error.code === "UNAVAILABLE" || error.code === "DEADLINE_EXCEEDED");
  return error.name === "ClientError" && isUnanswered ? EXIT.unreachable : EXIT.failed;
}
