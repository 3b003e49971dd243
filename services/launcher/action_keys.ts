// What an action works on, so that no two work on the same at a time.
import { type Action, keys } from "./actions.ts";
import type { Environment } from "./environment.ts";
import { hostKey } from "./host/slots.ts";

/** The keys of all that an action may change. */
export function keysOf(action: Action): string[] {
  switch (action.kind) {
    case "serve":
    case "supplement":
      return [
        keys.request(action.request),
        ...action.nodes.flatMap((id) => (id === null ? [] : [keys.node(id)])),
      ];
    case "fulfil":
      return [keys.request(action.request), ...action.nodes.map(keys.node)];
    case "give-up":
      return [keys.request(action.request), ...(action.node === null ? [] : [keys.node(action.node)])];
    case "ask-min-ready":
      return [keys.label(action.label)];
    case "check-host":
    case "register-slots":
      return [keys.host(hostKey(action.placed))];
    case "update-slot":
    case "launch":
    case "store":
    case "abandon":
    case "delete":
    case "free":
    case "hold":
    case "return":
      return [keys.node(action.node)];
    default:
      return [keys.request(action.request)];
  }
}

/** Whether there is still what a key is about. */
export function exists(environment: Pick<Environment, "context" | "hand">, key: string): boolean {
  const { view, config } = environment.context;
  const [kind, name = ""] = [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)];
  if (kind === "node") return view.node(name) !== undefined;
  if (kind === "host") return environment.hand.hosts.has(name);
  return kind === "request" ? view.request(name) !== undefined : config.labels.has(name);
}
