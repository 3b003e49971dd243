// nodepool revise
import type { Command } from "../context.ts";
import { EXIT, UsageError } from "../host.ts";
import { requestName } from "../resource.ts";
import { showRequests } from "./request_list.ts";

export const run: Command = async (context, [id = ""], { relativePriority }) => {
  const text = String(relativePriority);
  if (!/^-?\d+$/.test(text)) {
    throw new UsageError(`--relative-priority ${text}: expected a whole number`);
  }
  const { requests } = await context.clients();
  const { request } = await requests.updateRequest({
    request: { name: requestName(id), relativePriority: BigInt(text) },
    updateMask: ["relative_priority"],
  });
  if (request !== undefined) showRequests(context, [request]);
  return EXIT.ok;
};
