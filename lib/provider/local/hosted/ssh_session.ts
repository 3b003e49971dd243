// One session channel of an SSH connection: terminal, environment and signals around one command.
import { once } from "node:events";
import { Writable } from "node:stream";
import type { PseudoTtyInfo, ServerChannel, Session, WindowChangeInfo } from "ssh2";
import { messageOf } from "../../../std/errors.ts";
import type { CommandRequest, RunningCommand, TerminalSize } from "./runner.ts";

type Command = CommandRequest["command"];
type Terminal = CommandRequest["terminal"];

/** Starts a command for the connection's account. */
export type StartCommand = (
  command: Command,
  environment: Readonly<Record<string, string>>,
  terminal: Terminal,
) => Promise<RunningCommand>;

/** What clients may set in a command's environment, as Debian's sshd has it. */
const ACCEPTED_VARIABLES = /^(LANG|LC_[A-Z]+)$/;

/**
 * Serves a session until its channel closes; whatever it started ends then.
 * @param hasTerminals whether this machine can give a command a terminal
 */
export function serveSession(session: Session, start: StartCommand, hasTerminals: boolean): void {
  const environment: Record<string, string> = {};
  let terminal: Terminal = null;
  let running: RunningCommand | null = null;

  session.on("env", (accept, reject, { key, val }) => {
    if (!ACCEPTED_VARIABLES.test(key)) {
      reject?.();
      return;
    }
    environment[key] = val;
    accept?.();
  });
  session.on("pty", (accept, reject, info) => {
    if (!hasTerminals) {
      reject?.();
      return;
    }
    terminal = { type: terminalType(info), ...sizeOf(info) };
    accept?.();
  });
  session.on("window-change", (accept, _reject, info) => {
    if (terminal !== null) terminal = { ...terminal, ...sizeOf(info) };
    running?.resize(sizeOf(info));
    accept?.();
  });
  session.on("signal", (accept, _reject, { name }) => {
    running?.signal(name);
    accept?.();
  });

  const serve = (command: Command, channel: ServerChannel) => {
    let gone = false;
    // What is written when the client has gone is lost; without a listener it would end this process.
    for (const stream of [channel, channel.stderr]) stream.on("error", () => {});
    channel.once("close", () => {
      gone = true;
      if (running !== null) abandon(running);
    });
    start(command, environment, terminal).then(
      (started) => {
        running = started;
        if (gone) abandon(started);
        else attach(channel, started);
      },
      (error: unknown) => {
        channel.stderr.write(`${messageOf(error)}\n`);
        channel.exit(1);
        channel.end();
      },
    );
  };
  session.on("exec", (accept, _reject, { command }) => serve({ text: command }, accept()));
  session.on("shell", (accept) => serve("shell", accept()));
  // Without an "sftp" listener the library hands sftp over as any other subsystem: as plain bytes for sftp-server.
  session.on("subsystem", (accept, reject, { name }) => {
    if (name === "sftp") serve("sftp", accept());
    else reject?.();
  });
}

/** Ends a command whose client has gone. What nobody reads any more would keep its outputs open: it is thrown away. */
export function abandon(command: RunningCommand): void {
  command.kill();
  for (const output of [command.stdout, command.stderr]) {
    output.unpipe();
    output.resume();
  }
}

function attach(channel: ServerChannel, command: RunningCommand): void {
  channel.pipe(command.stdin);
  const [stdout, stderr] = outletsOf(channel);
  command.stdout.pipe(stdout);
  command.stderr.pipe(stderr);
  const sent = Promise.all([once(stdout, "finish"), once(stderr, "finish")]);
  command.exited.then(async (end) => {
    await Promise.all([command.closed, sent]);
    if (end.signal === null) channel.exit(end.code ?? 1);
    else channel.exit(end.signal);
    channel.end();
  });
}

/**
 * Where a command's two outputs go. One piece of either is with the channel at a time: the library keeps one note of what
 * waits for the client's window, and does not tear it off, so that of two outputs which wait one is sent twice and the
 * rest of the other never.
 */
function outletsOf(channel: ServerChannel): [Writable, Writable] {
  let turn = Promise.resolve();
  const outlet = (target: Writable) =>
    new Writable({
      write: (piece, _encoding, done) => {
        turn = turn.then(() => send(target, piece)).then(() => done());
      },
    });
  const send = (target: Writable, piece: unknown) =>
    new Promise<void>((resolve) => {
      target.write(piece, () => {
        Object.assign(channel, { _chunk: undefined, _chunkcb: undefined });
        Object.assign(channel, { _chunkErr: undefined, _chunkcbErr: undefined });
        resolve();
      });
    });
  return [outlet(channel), outlet(channel.stderr)];
}

function terminalType(info: PseudoTtyInfo & { term?: string }): string {
  return /^[\w.+-]{1,64}$/.test(info.term ?? "") ? (info.term ?? "dumb") : "dumb";
}

function sizeOf({ rows, cols }: WindowChangeInfo | PseudoTtyInfo): TerminalSize {
  const bounded = (value: number, fallback: number) => (value > 0 && value < 10_000 ? value : fallback);
  return { rows: bounded(rows, 24), columns: bounded(cols, 80) };
}
