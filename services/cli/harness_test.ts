// Runs the command line against servers in this process, whose answers are fixed. Shared by the tests of commands.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import {
  ComponentServiceDefinition,
  type ComponentServiceImplementation,
} from "../../lib/rpc/gen/nodepool/v1/component.ts";
import {
  ConfigServiceDefinition,
  type ConfigServiceImplementation,
} from "../../lib/rpc/gen/nodepool/v1/config.ts";
import {
  ImageServiceDefinition,
  type ImageServiceImplementation,
} from "../../lib/rpc/gen/nodepool/v1/image.ts";
import { NodeServiceDefinition, type NodeServiceImplementation } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import {
  ProviderServiceDefinition,
  type ProviderServiceImplementation,
} from "../../lib/rpc/gen/nodepool/v1/provider.ts";
import {
  RequestServiceDefinition,
  type RequestServiceImplementation,
} from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { createRpcServer } from "../../lib/rpc/server.ts";
import { rpcService } from "../../lib/rpc/service.ts";
import { type Clock, systemClock } from "../../lib/std/clock.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { runCli } from "./cli.ts";
import type { CliHost, EndSignal } from "./host.ts";

/** The time that every test sees. */
export const NOW = Date.parse("2026-11-22T12:00:00Z");

/** So many seconds before {@link NOW}. */
export const ago = (seconds: number) => new Date(NOW - seconds * 1000);

const frozenClock: Clock = { ...systemClock, now: () => NOW };

/** What answers; a method that is not given fails the test that calls it. */
export interface Answers {
  readonly nodes?: Partial<NodeServiceImplementation> | undefined;
  readonly requests?: Partial<RequestServiceImplementation> | undefined;
  readonly images?: Partial<ImageServiceImplementation> | undefined;
  readonly providers?: Partial<ProviderServiceImplementation> | undefined;
  readonly components?: Partial<ComponentServiceImplementation> | undefined;
  readonly config?: Partial<ConfigServiceImplementation> | undefined;
}

const cleanups: (() => Promise<void>)[] = [];
after(async () => {
  for (const clean of cleanups) await clean();
});

/** Starts a server and returns its address. */
export async function serve(answers: Answers): Promise<string> {
  const fill = <T extends object>(given: Partial<T> | undefined, names: readonly string[]) =>
    Object.fromEntries(
      names.map((name) => [
        name,
        (given as Record<string, unknown> | undefined)?.[name] ??
          (() => assert.fail(`the test did not expect a call of ${name}`)),
      ]),
    ) as unknown as T;
  const methods = (definition: { methods: object }) => Object.keys(definition.methods);
  const server = createRpcServer({
    logger: silentLogger,
    services: [
      rpcService(NodeServiceDefinition, fill(answers.nodes, methods(NodeServiceDefinition))),
      rpcService(RequestServiceDefinition, fill(answers.requests, methods(RequestServiceDefinition))),
      rpcService(ImageServiceDefinition, fill(answers.images, methods(ImageServiceDefinition))),
      rpcService(ComponentServiceDefinition, fill(answers.components, methods(ComponentServiceDefinition))),
      rpcService(ConfigServiceDefinition, fill(answers.config, methods(ConfigServiceDefinition))),
      rpcService(ProviderServiceDefinition, fill(answers.providers, methods(ProviderServiceDefinition))),
    ],
  });
  const port = await server.listen("127.0.0.1:0");
  cleanups.push(() => server.stop(0));
  return `127.0.0.1:${port}`;
}

/** A run of the command line, while it runs and when it has ended. */
export interface Run {
  stdout: string;
  stderr: string;
  /** Sends a signal. */
  signal(name: EndSignal): void;
  readonly code: Promise<number>;
}

/** Starts `nodepool` with these words against a server; `typed` is what its standard input has. */
export function start(
  address: string,
  words: string[],
  env: Record<string, string> = {},
  typed: readonly string[] = [],
): Run {
  const signals = new EventEmitter();
  const run = { stdout: "", stderr: "" };
  const host: CliHost = {
    argv: ["node", "nodepool", ...words],
    env: { ...env, NODEPOOL_LAUNCHER_ADDRESS: address, NODEPOOL_BUILDER_ADDRESS: address },
    stdin: Readable.from(typed),
    stdout: { write: (text) => (run.stdout += text) },
    stderr: { write: (text) => (run.stderr += text) },
    on: (name, listener) => signals.on(name, listener),
    off: (name, listener) => signals.off(name, listener),
  };
  const code = runCli(host, frozenClock).finally(() => {
    assert.deepEqual(signals.eventNames(), [], "a signal handler was left behind");
  });
  return Object.assign(run, { signal: (name: string) => void signals.emit(name), code });
}

/** Runs `nodepool` to its end. */
export async function nodepool(
  answers: Answers,
  words: string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const run = start(await serve(answers), words);
  const code = await run.code;
  return { code, stdout: run.stdout, stderr: run.stderr };
}

/** Waits until a text has been written. */
export async function until(condition: () => boolean): Promise<void> {
  const limit = performance.now() + 60_000;
  while (!condition()) {
    assert.ok(performance.now() < limit, "waited for a minute");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a method that no test expects is refused", async () => {
  const { code } = await nodepool({}, ["list"]);
  assert.equal(code, 1);
});
