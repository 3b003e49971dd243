// Puts behaviour around every call of a provider.
import { type Host, type Leftover, type Provider, ProviderError } from "./contract.ts";
import type { Nodepool } from "./nodepool.ts";

/** One call of a provider. */
export interface Call {
  readonly provider: Provider;
  readonly method: keyof Provider & string;
  /** What the call is about, for logs and spans. */
  readonly subject: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Runs a call, once or more often, and passes its outcome on. */
export type Around = <T>(call: Call, run: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/** The same provider, with `around` at each call that takes a signal. */
export function aroundProvider(provider: Provider, around: Around): Provider {
  const wrap = <T>(
    method: Call["method"],
    subject: Call["subject"],
    signal: AbortSignal,
    run: (signal: AbortSignal) => Promise<T>,
  ) => around({ provider, method, subject, signal }, run);
  return {
    name: provider.name,
    driver: provider.driver,
    describe: () => provider.describe(),
    resourcesOf: (pool, label) => provider.resourcesOf(pool, label),
    stop: () => provider.stop(),
    start: (signal) => wrap("start", {}, signal, (inner) => provider.start(inner)),
    listInstances: (signal) => wrap("listInstances", {}, signal, (inner) => provider.listInstances(inner)),
    createInstance: (spec, note, signal) =>
      wrap("createInstance", { instance: spec.name, image: spec.imageExternalId }, signal, (inner) =>
        provider.createInstance(spec, note, inner),
      ),
    deleteInstance: (id, signal) =>
      wrap("deleteInstance", { instance: id }, signal, (inner) => provider.deleteInstance(id, inner)),
    consoleLog: (id, signal) =>
      wrap("consoleLog", { instance: id }, signal, (inner) => provider.consoleLog(id, inner)),
    listImages: (signal) => wrap("listImages", {}, signal, (inner) => provider.listImages(inner)),
    uploadImage: (spec, signal) =>
      wrap("uploadImage", { image: spec.name }, signal, (inner) => provider.uploadImage(spec, inner)),
    deleteImage: (id, signal) =>
      wrap("deleteImage", { image: id }, signal, (inner) => provider.deleteImage(id, inner)),
    limits: (signal) => wrap("limits", {}, signal, (inner) => provider.limits(inner)),
    ...optional("zones", provider.zones, (zones) => () => zones.call(provider)),
    ...optional("progress", provider.progress, (progress) => (node: string) => progress.call(provider, node)),
    ...optional("heldUpMs", provider.heldUpMs, (heldUpMs) => () => heldUpMs.call(provider)),
    ...optional(
      "attach",
      provider.attach,
      (attach) => (nodepool: Nodepool) => attach.call(provider, nodepool),
    ),
    ...optional(
      "noteUnreachable",
      provider.noteUnreachable,
      (note) => (id: string, reason: string, signal: AbortSignal) =>
        wrap("noteUnreachable", { instance: id }, signal, (inner) => note.call(provider, id, reason, inner)),
    ),
    ...optional(
      "foreignInstances",
      provider.foreignInstances,
      (list) => (signal: AbortSignal) =>
        wrap("foreignInstances", {}, signal, (inner) => list.call(provider, inner)),
    ),
    ...optional(
      "checkHost",
      provider.checkHost,
      (check) => (host: Host, signal: AbortSignal) =>
        wrap("checkHost", { host: host.identity }, signal, (inner) => check.call(provider, host, inner)),
    ),
    ...optional(
      "listLeftovers",
      provider.listLeftovers,
      (list) => (signal: AbortSignal) =>
        wrap("listLeftovers", {}, signal, (inner) => list.call(provider, inner)),
    ),
    ...optional(
      "deleteLeftover",
      provider.deleteLeftover,
      (remove) => (leftover: Leftover, signal: AbortSignal) =>
        wrap("deleteLeftover", { [leftover.kind]: leftover.externalId }, signal, (inner) =>
          remove.call(provider, leftover, inner),
        ),
    ),
  };
}

/** A method that the wrapped provider has only if the inner one has it. */
function optional<Name extends string, Method, Wrapped>(
  name: Name,
  method: Method | undefined,
  wrapped: (method: Method) => Wrapped,
): { [key in Name]?: Wrapped } {
  if (method === undefined) return {};
  const entry: { [key in Name]?: Wrapped } = {};
  entry[name] = wrapped(method);
  return entry;
}

/** The error of a call as the contract wants it. */
export function asProviderError(error: unknown, { method, provider }: Call): ProviderError {
  if (error instanceof ProviderError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new ProviderError(`provider ${provider.name}: ${method}: ${reason}`, { cause: error });
}
