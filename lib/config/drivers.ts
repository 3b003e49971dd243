// The drivers of Nodepool and ours, with what each may be configured with.
import { aws } from "./drivers/aws.ts";
import { azure } from "./drivers/azure.ts";
import { type DriverSchema, driver } from "./drivers/driver.ts";
import { fake } from "./drivers/fake.ts";
import { gce } from "./drivers/gce.ts";
import { ibmvpc } from "./drivers/ibmvpc.ts";
import { kubernetes, openshift, openshiftpods } from "./drivers/kubernetes.ts";
import { local } from "./drivers/local.ts";
import { metastatic } from "./drivers/metastatic.ts";
import { openstack } from "./drivers/openstack.ts";
import { staticHosts } from "./drivers/static.ts";

export const DRIVERS: ReadonlyMap<string, DriverSchema> = new Map([
  ["local", local],
  ["openstack", openstack],
  ["aws", aws],
  ["azure", azure],
  ["gce", gce],
  ["ibmvpc", ibmvpc],
  ["kubernetes", kubernetes],
  ["openshift", openshift],
  ["openshiftpods", openshiftpods],
  ["static", staticHosts],
  ["metastatic", metastatic],
  ["fake", fake],
]);

const UNKNOWN = driver({ about: "", open: true });

/** Drivers that lib/provider runs. Of the others we know the keys only. */
export const SERVED_DRIVERS: ReadonlySet<string> = new Set([
  "local",
  "openstack",
  "static",
  "metastatic",
  "fake",
]);

export const DRIVER_NAMES: readonly string[] = [...DRIVERS.keys()];

/** The schema of a driver; of one that nobody knows, the keys that all share, with any other. */
export function driverSchema(name: string): DriverSchema {
  return DRIVERS.get(name) ?? UNKNOWN;
}
