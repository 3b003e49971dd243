// Services that are offered before they can work: a server listens from the start, so that health tells the truth and
// callers hear why they must wait.
import type { CallContext, CompatServiceDefinition } from "nice-grpc";
import { unavailable } from "./errors.ts";
import { ComponentServiceDefinition } from "./gen/nodepool/v1/component.ts";
import { ImageServiceDefinition } from "./gen/nodepool/v1/image.ts";
import { NodeServiceDefinition } from "./gen/nodepool/v1/node.ts";
import { ProviderServiceDefinition } from "./gen/nodepool/v1/provider.ts";
import { RequestServiceDefinition } from "./gen/nodepool/v1/request.ts";
import { type RpcService, rpcService } from "./service.ts";

/** The services of a builder and of a launcher. */
export const SERVICE_DEFINITIONS = {
  builder: [ImageServiceDefinition],
  launcher: [
    NodeServiceDefinition,
    RequestServiceDefinition,
    ProviderServiceDefinition,
    ComponentServiceDefinition,
  ],
} as const;

type Method = (request: unknown, callContext: CallContext) => unknown;

/** Services that can be offered at once and answered later. */
export interface LateServices {
  readonly services: readonly RpcService[];
  /** Gives the services what answers them. @throws when one is missing */
  bind(services: readonly RpcService[]): void;
}

/**
 * Offers services of these definitions. Until {@link LateServices.bind}, calls wait as long as `patience` does (the
 * default: not at all), and then fail with UNAVAILABLE and the sentence that `problem` returns.
 */
export function lateServices(
  definitions: readonly (CompatServiceDefinition & {
    fullName: string;
    methods: Record<string, { responseStream?: boolean }>;
  })[],
  problem: () => string,
  patience: Promise<unknown> = Promise.resolve(),
): LateServices {
  const bound = new Map<string, Readonly<Record<string, Method>>>();
  const { promise: isBound, resolve: noteBound } = Promise.withResolvers<void>();
  const decided = Promise.race([isBound, patience]);
  const answer = async (service: string, method: string, request: unknown, callContext: CallContext) => {
    if (!bound.has(service)) await decided;
    const implementation = bound.get(service);
    if (implementation === undefined) throw unavailable("STARTING", problem());
    const run = implementation[method];
    if (run === undefined) throw new TypeError(`${service} has no implementation of ${method}`);
    return run.call(implementation, request, callContext);
  };
  const services = definitions.map((definition) => {
    const methods = Object.entries(definition.methods).map(([method, { responseStream }]) => {
      const unary: Method = (request, callContext) =>
        answer(definition.fullName, method, request, callContext);
      const lateStream = async function* (request: unknown, callContext: CallContext) {
        yield* (await answer(definition.fullName, method, request, callContext)) as AsyncIterable<unknown>;
      };
      const stream: Method = (request, callContext) =>
        bound.get(definition.fullName)?.[method]?.(request, callContext) ?? lateStream(request, callContext);
      return [method, responseStream ? stream : unary] as const;
    });
    return rpcService(definition as CompatServiceDefinition, Object.fromEntries(methods));
  });
  return {
    services,
    bind: (given) => {
      for (const { fullName } of definitions) {
        const found = given.find(
          ({ definition }) => "fullName" in definition && definition.fullName === fullName,
        );
        if (found === undefined) throw new TypeError(`the service offers no ${fullName}`);
        bound.set(fullName, found.implementation as Readonly<Record<string, Method>>);
      }
      noteBound();
    },
  };
}
