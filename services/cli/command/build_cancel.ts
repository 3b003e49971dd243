// nodepool build-cancel
import { Build } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { buildName } from "../resource.ts";

export const run: Command = async ({ host, output, clients }, [id = ""]) => {
  const name = buildName(id);
  const { images } = await clients();
  const { build } = await images.cancelBuild({ name });
  if (output === "json" && build !== undefined) {
    host.stdout.write(`${JSON.stringify([Build.toJSON(build)], null, 2)}\n`);
  }
  return EXIT.ok;
};
