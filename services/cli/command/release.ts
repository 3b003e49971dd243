// nodepool release
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { requestName } from "../resource.ts";

export const run: Command = async ({ clients }, ids, { fault }) => {
  const { requests } = await clients();
  for (const id of ids)
    await requests.releaseRequest({ name: requestName(id), fault: typeof fault === "string" ? fault : "" });
  return EXIT.ok;
};
