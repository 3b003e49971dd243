// nodepool release
import { messageOf } from "../../../lib/std/errors.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { requestName } from "../resource.ts";

export const run: Command = async ({ clients, host }, ids, { fault }) => {
  const { requests } = await clients();
  const failures: unknown[] = [];
  for (const id of ids) {
    const call = { name: requestName(id), fault: typeof fault === "string" ? fault : "" };
    // One that is refused does not keep those behind it.
    await requests.releaseRequest(call).catch((error: unknown) => failures.push(error));
  }
  const [first, ...others] = failures;
  for (const error of others) host.stderr.write(`nodepool: ${messageOf(error)}\n`);
  if (failures.length > 0) throw first;
  return EXIT.ok;
};
