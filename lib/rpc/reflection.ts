// Reflection: what grpcurl and the like ask before their first call. What it knows takes 9 MB, so it is read when
// somebody asks.
import { readFileSync } from "node:fs";
import { ServerReflection, ServerReflectionService } from "nice-grpc-server-reflection";
import { type RpcService, rpcService } from "./service.ts";

type Reflection = ReturnType<typeof ServerReflection>;

/** Tells of these services, by their full names. */
export function reflectionService(services: readonly string[]): RpcService {
  let known: Reflection | undefined;
  const serverReflectionInfo: Reflection["serverReflectionInfo"] = (requests, callContext) => {
    known ??= ServerReflection(readDescriptors(), services);
    return known.serverReflectionInfo(requests, callContext);
  };
  return rpcService(ServerReflectionService, { serverReflectionInfo });
}

function readDescriptors(): Uint8Array {
  return readFileSync(new URL("./gen/nodepool.binpb", import.meta.url));
}
