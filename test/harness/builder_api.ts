// A builder's API behind a real gRPC server, with a client of it.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { ClientError } from "../../lib/rpc/client_error.ts";
import { createRpcServer } from "../../lib/rpc/server.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { BuilderCase, type BuilderSetting, type TestBuilder } from "./builder.ts";
import { ubuntuAt } from "./builder_images.ts";
import { FakeImageProvider } from "./fake_image_provider.ts";
import type { ZooKeeperServer } from "./zookeeper.ts";

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

/** Builders for one test, each behind a gRPC server. */
export class ApiCase {
  readonly one: BuilderCase;
  readonly cloud = new FakeImageProvider("cloud");
  readonly #open: BuilderApi[] = [];

  private constructor(one: BuilderCase) {
    this.one = one;
  }

  static async begin(server: ZooKeeperServer): Promise<ApiCase> {
    return new ApiCase(await BuilderCase.begin(server));
  }

  /** The image ubuntu at the cloud. */
  setting(given: BuilderSetting["images"][string] = {}): Promise<BuilderSetting> {
    return ubuntuAt(this.one, this.cloud, given);
  }

  async serve(
    setting: BuilderSetting,
    given: Parameters<BuilderCase["start"]>[1] = {},
  ): Promise<{ builder: TestBuilder; images: Clients["images"] }> {
    const builder = await this.one.start(setting, given);
    const api = await serveBuilder(builder);
    this.#open.push(api);
    return { builder, images: api.images };
  }

  /** Lets build commands end that wait for the file `go`. */
  async go(): Promise<void> {
    await writeFile(join(this.one.folder, "go"), "");
  }

  async end(): Promise<void> {
    await this.go();
    for (const api of this.#open.splice(0)) await api.close();
    await this.one.end();
  }
}

/** The call fails with this status code and a message like this. */
export async function refused(call: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof ClientError);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}
