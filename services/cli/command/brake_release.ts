// nodepool brake-release
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { providerName } from "../resource.ts";

export const run: Command = async (context, [provider]) => {
  const { providers } = await context.clients();
  await providers.releaseBrake({ name: providerName(provider) });
  return EXIT.ok;
};
