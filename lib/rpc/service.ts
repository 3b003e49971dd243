// A gRPC service and what answers it, as a pair that a server takes without knowing either.
import type { CompatServiceDefinition, ServiceImplementation } from "nice-grpc";
import type { CallEnd } from "./call_limit.ts";

/** A service definition (generated) with its implementation. Make one with {@link rpcService}. */
export interface RpcService {
  readonly definition: CompatServiceDefinition;
  readonly implementation: ServiceImplementation<CompatServiceDefinition, CallEnd>;
}

/** Pairs a definition with an implementation that fits it. */
export function rpcService<Definition extends CompatServiceDefinition>(
  definition: Definition,
  implementation: ServiceImplementation<Definition, CallEnd>,
): RpcService {
  return {
    definition,
    implementation: implementation as ServiceImplementation<CompatServiceDefinition, CallEnd>,
  };
}
