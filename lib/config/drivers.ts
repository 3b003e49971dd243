// What the configuration needs to know of each driver: its defaults and the names of its own keys. What those keys
// hold is the driver's own matter.

/** The facts of one driver. Times are seconds. */
export interface DriverFacts {
  readonly bootTimeout: number;
  readonly launchTimeout: number;
  /** The format it takes images in; null when no images are uploaded to it. */
  readonly imageFormat: string | null;
  readonly imageNameFormat: string;
  readonly hostKeyChecking: boolean;
  /** Whether a pool without limits of its own has those of its provider. */
  readonly inheritsLimits: boolean;
  /** Whether a label must name one of diskimage and cloud-image. */
  readonly needsImage: boolean;
  /** Keys beside the common ones; null when they are not known. */
  readonly keys: DriverKeys | null;
}

export interface DriverKeys {
  readonly provider: readonly string[];
  readonly diskimage: readonly string[];
  readonly pool: readonly string[];
  readonly label: readonly string[];
}

function driver(facts: Partial<DriverFacts>): DriverFacts {
  return {
    bootTimeout: 60,
    launchTimeout: 3600,
    imageFormat: null,
    imageNameFormat: "{image_name}-{timestamp}",
    hostKeyChecking: true,
    inheritsLimits: false,
    needsImage: false,
    keys: null,
    ...facts,
  };
}

function keys(provider: string, diskimage: string, pool: string, label: string): DriverKeys {
  const words = (list: string) => list.split(" ").filter((word) => word !== "");
  return { provider: words(provider), diskimage: words(diskimage), pool: words(pool), label: words(label) };
}

const CONNECTION = "python-path shell-type";
const ADDRESSES = "use-internal-ip public-ipv4 public-ipv6";
const POD_POOL =
  "max-resources default-label-cpu default-label-memory default-label-storage default-label-cpu-limit " +
  "default-label-memory-limit default-label-storage-limit default-label-extra-resources";
const POD =
  "type spec image image-pull image-pull-secrets cpu memory storage cpu-limit memory-limit storage-limit gpu " +
  "gpu-resource env node-selector privileged scheduler-name volumes volume-mounts labels dynamic-labels annotations " +
  `extra-resources ${CONNECTION}`;

const DRIVERS: Readonly<Record<string, DriverFacts>> = {
  local: driver({
    launchTimeout: 300,
    imageFormat: "tar",
    needsImage: true,
    keys: keys("engine socket state-dir", "", "", "cores ram"),
  }),
  openstack: driver({
    imageFormat: "qcow2",
    needsImage: true,
    keys: keys(
      "cloud region-name rate clean-floating-ips port-cleanup-interval nodepool-id",
      "config-drive",
      "networks availability-zones security-groups auto-floating-ip max-volumes max-volume-gb",
      "min-ram flavor-name key-name boot-from-volume volume-size instance-properties dynamic-instance-properties " +
        "userdata networks",
    ),
  }),
  aws: driver({
    bootTimeout: 180,
    imageFormat: "raw",
    inheritsLimits: true,
    keys: keys(
      "region-name profile-name rate object-storage image-format image-import-timeout max-servers max-cores max-ram " +
        `max-resources host-key-checking ${ADDRESSES}`,
      `username architecture ena-support volume-size volume-type import-method imds-support iops throughput tags ${CONNECTION}`,
      `security-group-id subnet-id public-ip-address max-resources availability-zone ${ADDRESSES}`,
      "key-name instance-type fleet ebs-optimized volume-type volume-size iops throughput userdata " +
        "iam-instance-profile tags dynamic-tags use-spot imdsv2 dedicated-host",
    ),
  }),
  azure: driver({
    bootTimeout: 120,
    imageFormat: "vhd",
    keys: keys(
      "location resource-group resource-group-location auth-path subnet-id network ipv4 ipv6 rate zuul-public-key " +
        `host-key-checking ${ADDRESSES}`,
      `username key tags password generate-password ${CONNECTION}`,
      `ipv4 ipv6 ${ADDRESSES}`,
      "hardware-profile tags dynamic-tags user-data custom-data volume-size",
    ),
  }),
  gce: driver({
    keys: keys(
      "region project zone rate-limit rate",
      "",
      "use-internal-ip",
      "instance-type volume-type volume-size",
    ),
  }),
  ibmvpc: driver({
    bootTimeout: 120,
    imageFormat: "qcow2",
    imageNameFormat: "npimage{upload_id}",
    keys: keys(
      "vpc region zone subnet credentials-file object-storage quota public-ipv4 use-internal-ip host-key-checking rate " +
        "image-format",
      `operating-system ${CONNECTION}`,
      "zone subnet public-ipv4 use-internal-ip",
      "profile user-data",
    ),
  }),
  kubernetes: driver({
    keys: keys("context max-servers max-cores max-ram max-resources", "", POD_POOL, POD),
  }),
  openshift: driver({
    inheritsLimits: true,
    keys: keys("context max-projects max-servers max-cores max-ram max-resources", "", POD_POOL, POD),
  }),
  openshiftpods: driver({
    inheritsLimits: true,
    keys: keys(
      "context max-projects max-pods max-servers max-cores max-ram max-resources",
      "",
      POD_POOL,
      POD,
    ),
  }),
  static: driver({ keys: keys("", "", "nodes", "") }),
  metastatic: driver({
    bootTimeout: 120,
    hostKeyChecking: false,
    keys: keys("rate", "", "", "backing-label max-parallel-jobs grace-time min-retention-time max-age"),
  }),
  fake: driver({ imageFormat: "qcow2" }),
};

const UNKNOWN = driver({});

/** The drivers of Nodepool and ours. */
export const DRIVER_NAMES: readonly string[] = Object.keys(DRIVERS);

/** The facts of a driver; of one that nobody knows, the common defaults. */
export function driverFacts(name: string): DriverFacts {
  return Object.hasOwn(DRIVERS, name) ? (DRIVERS[name] ?? UNKNOWN) : UNKNOWN;
}
