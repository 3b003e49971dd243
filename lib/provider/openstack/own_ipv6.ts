import { networkInterfaces } from "node:os";

/** Whether this machine has an address of IPv6 that others may have a route to. */
export function hasIpv6Address(): boolean {
  return Object.values(networkInterfaces())
    .flat()
    .some((each) => each?.family === "IPv6" && !each.internal && !/^fe80/i.test(each.address));
}
