// A builder's API behind a real gRPC server, with a client of it.
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { createRpcServer } from "../../lib/rpc/server.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import type { TestBuilder } from "./builder.ts";

export interface BuilderApi {
  readonly images: Clients["images"];
  close(): Promise<void>;
}

export async function serveBuilder({ service }: Pick<TestBuilder, "service">): Promise<BuilderApi> {
  const server = createRpcServer({ services: service.rpc, logger: silentLogger });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const clients = connectClients({ launcherAddress: address, builderAddress: address });
  const close = async () => {
    clients.close();
    await server.stop(1000);
  };
  return { images: clients.images, close };
}
