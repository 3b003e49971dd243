import assert from "node:assert/strict";
import { test } from "node:test";
import { helpText, parseFlags, UsageError } from "./flags.ts";

const DEFAULTS = {
  listen: "127.0.0.1:8991",
  numbers: { "build-workers": { help: "builds at once", default: 1 } },
};
const parse = (...args: string[]) => parseFlags(args, DEFAULTS);

test("without flags a daemon takes the usual configuration and address", () => {
  assert.deepEqual(parse(), {
    config: "/etc/nodepool/nodepool.yaml",
    secure: null,
    listen: "127.0.0.1:8991",
    pidfile: null,
    logLevel: "info",
    logFormat: null,
    grace: 30,
    numbers: { "build-workers": 1 },
    ignored: [],
    wants: "run",
  });
});

test("Nodepool's own flags are understood", () => {
  const flags = parse(
    "-d",
    "-f",
    "-c",
    "a.yaml",
    "-s",
    "b.yaml",
    "-p",
    "x.pid",
    "-l",
    "log.conf",
    "--no-webapp",
  );
  assert.equal(flags.config, "a.yaml");
  assert.equal(flags.secure, "b.yaml");
  assert.equal(flags.pidfile, "x.pid");
  assert.equal(flags.logLevel, "debug");
  assert.equal(flags.ignored.length, 2);
  assert.equal(parse("--build-workers", "3").numbers["build-workers"], 3);
});

test("--help and --version are heard among other flags", () => {
  assert.equal(parse("-c", "x", "--help").wants, "help");
  assert.equal(parse("--version").wants, "version");
});

test("a flag that is unknown, incomplete or out of range is refused with what is expected", () => {
  const refused: [string[], RegExp][] = [
    [["--nonsense"], /Unknown option '--nonsense'/],
    [["-c"], /-c, --config <value>' argument missing/],
    [["stray"], /stray/],
    [["--build-workers", "0"], /--build-workers 0: expected a whole number of 1 or more/],
    [["--grace", "-1"], /grace/],
    [["--grace", "soon"], /--grace soon: expected a whole number of 0 or more/],
    [["--listen", "28993"], /--listen: '28993' is no address: expected HOST:PORT/],
    [["--log-level", "loud"], /--log-level loud: expected one of debug, info, warn, error/],
    [["--log-format", "xml"], /--log-format xml: expected one of text, json/],
  ];
  for (const [args, message] of refused) {
    assert.throws(
      () => parse(...args),
      (error) => error instanceof UsageError && message.test(error.message),
      args.join(" "),
    );
  }
});

test("help names every flag, the daemon's own included, the signals and the exit codes", () => {
  const help = helpText("nodepool-builder", DEFAULTS);
  for (const word of [
    "--config",
    "--secure",
    "--listen",
    "--build-workers N",
    "--grace",
    "SIGHUP",
    "SIGUSR1",
    "78 wrong",
  ]) {
    assert.ok(help.includes(word), word);
  }
});
