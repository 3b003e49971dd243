// Follows a request through the changes of launchers, and tells what happens in words.
import { ClientError } from "../../lib/rpc/client_error.ts";
import { type Node, Node_State } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import type { RequestStatus } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import type { CommandContext } from "./context.ts";
import { Outage } from "./outage.ts";
import { stateWord } from "./output/table.ts";
import { shortName } from "./resource.ts";

/** Each status of a request until it is gone. A launcher that goes away is replaced or waited for. */
export async function* watchRequest(
  context: CommandContext,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<RequestStatus, void, void> {
  const { requests } = await context.clients();
  const outage = new Outage(context);
  while (true) {
    try {
      for await (const { event } of requests.watchRequest({ name }, { signal })) {
        outage.over();
        if (event?.$case === "status") yield event.value;
      }
      return;
    } catch (error) {
      if (error instanceof ClientError && error.code === "NOT_FOUND") return;
      await outage.tryAgain(error, signal);
    }
  }
}

/** Tells what has changed since the last status, each change once. */
export class ProgressTeller {
  readonly #told = new Map<string, string>();
  readonly #started: number;
  readonly #context: CommandContext;

  constructor(context: CommandContext) {
    this.#context = context;
    this.#started = context.clock.now();
  }

  /** Writes the changes to standard error, with the time since the beginning. */
  tell({ request, nodes }: RequestStatus): void {
    if (request !== undefined) {
      const reason = request.reason === "" ? "" : `: ${request.reason}`;
      this.#say(request.name, `request ${shortName(request.name)} ${stateWord(request.state)}${reason}`);
    }
    for (const node of nodes) this.#say(node.name, describeNode(node));
  }

  #say(key: string, text: string): void {
    if (this.#told.get(key) === text) return;
    this.#told.set(key, text);
    const elapsed = (this.#context.clock.now() - this.#started) / 1000;
    this.#context.host.stderr.write(`${elapsed.toFixed(1).padStart(7)} s  ${text}\n`);
  }
}

function describeNode(node: Node): string {
  const id = shortName(node.name);
  const place = [node.provider, node.pool].filter((part) => part !== "").join("/");
  const at = place === "" ? "" : ` at ${place}`;
  const isUp = node.state === Node_State.STATE_READY || node.state === Node_State.STATE_IN_USE;
  const address = isUp && node.interfaceIp !== "" ? `, ${node.interfaceIp}:${node.connectionPort}` : "";
  return `node ${id} ${stateWord(node.state)}${at}${address}`;
}
