import { type DriverSchema, WITHOUT_EFFECT } from "./drivers/driver.ts";
import { IMAGE_NAME_FIELDS, unfillablePart } from "./image_name.ts";
import {
  anyMapping,
  boolean,
  integer,
  type Kind,
  kind,
  limit,
  list,
  mebibytes,
  name,
  number,
  path,
  port,
  properties,
  recordName,
  release,
  retries,
  seconds,
  text,
  texts,
  timeout,
  title,
} from "./kinds.ts";
import { mapping, optional, required } from "./mapping.ts";

// The keys of nodepool.yaml and of the secure file that do not depend on a driver, with their types and defaults.

const zookeeperServers = list(
  mapping({
    host: required(text, "Name or address."),
    port: optional(port, 2281, "Port."),
    chroot: optional(text, "", "Path that everything is kept under; at the last server only."),
  }),
);
/** Only that which counts of the two files needs all three. */
const zookeeperTls = mapping({
  cert: optional(text, undefined, "File of the client's certificate."),
  key: optional(text, undefined, "File of its key."),
  ca: optional(text, undefined, "File of the authority's certificate."),
});

const label = mapping({
  name: required(title, "What requests ask for."),
  "min-ready": optional(integer({ unit: "nodes" }), 0, "Nodes to keep ready."),
  "max-ready-age": optional(seconds, 0, "Ready nodes older than this are replaced; 0: never."),
});

const diskimage = mapping({
  name: required(recordName, "What providers and labels refer to."),
  abstract: optional(boolean, false, "Only a parent of others; not built."),
  parent: optional(text, undefined, "The diskimage whose keys it takes over."),
  "dib-cmd": optional(text, undefined, "The build command, with arguments; disk-image-create if left out."),
  elements: optional(list(text), [], "Elements, after those of the parent."),
  "env-vars": optional(texts, {}, "Environment of the build, with that of the parent."),
  formats: optional(list(text), undefined, "Formats to build beside those that providers take."),
  "keep-formats": optional(list(text), undefined, "Formats to keep when delete-after-upload is on."),
  "delete-after-upload": optional(boolean, undefined, "Delete the files once every provider has the image."),
  pause: optional(boolean, undefined, "Do not build it."),
  "python-path": optional(text, undefined, "Python in the image; auto lets Ansible find it."),
  "shell-type": optional(text, undefined, "Shell for Ansible, as cmd or powershell."),
  "rebuild-age": optional(seconds, undefined, "Age after which it is built anew; 86400 when it is left out."),
  "build-timeout": optional(seconds, undefined, "How long a build may take; 28800 when it is left out."),
  release: optional(release, undefined, "The distribution's release, for the elements."),
  username: optional(text, undefined, "User that jobs log in as; zuul when it is left out."),
  metadata: optional(properties(), {}, "Facts for who lists builds; not taken over from the parent."),
});

/** Limits of one tenant: resources that have no key of their own go by their name. */
const tenantLimits = mapping(
  {
    "tenant-name": required(text, "The tenant, as requests name it."),
    "max-servers": optional(limit, undefined, "Instances."),
    "max-cores": optional(limit, undefined, "Cores."),
    "max-ram": optional(mebibytes, undefined, "Memory in MiB."),
    "max-volumes": optional(limit, undefined, "Volumes."),
    "max-volume-gb": optional(integer({ unit: "GB" }), undefined, "Size of all volumes."),
  },
  { open: limit.json },
);

/** A provider before its driver is known. */
export const anyProvider = mapping(
  {
    name: required(name, "What records and messages call it."),
    driver: optional(text, "openstack", "What it runs nodes on."),
  },
  { open: true },
);

/** The file. Providers are read by {@link provider} once their driver is known. */
export const root = mapping({
  webapp: optional(
    mapping({
      port: optional(port, 8005, WITHOUT_EFFECT),
      listen_address: optional(text, "0.0.0.0", WITHOUT_EFFECT),
    }),
    undefined,
    WITHOUT_EFFECT,
  ),
  "elements-dir": optional(path, undefined, "Folders of elements, with colons between them."),
  "images-dir": optional(path, undefined, "Folder of built images; the builder needs it."),
  "build-log-dir": optional(path, "/var/log/nodepool/builds", "Folder of build logs."),
  "build-log-retention": optional(
    integer({ unit: "logs of an image" }),
    7,
    "Older logs to keep beside the newest, at least one; below 0: all.",
  ),
  "zookeeper-servers": optional(zookeeperServers, [], "The ensemble."),
  "zookeeper-tls": optional(zookeeperTls, undefined, "How to be known to the ensemble; all three keys."),
  "zookeeper-timeout": optional(number({ unit: "seconds", minimum: 0.1 }), 10, "Timeout of the session."),
  labels: optional(list(label), [], "What requests may ask for."),
  "max-hold-age": optional(seconds, 0, "Held nodes older than this are deleted; 0: never."),
  diskimages: optional(list(diskimage), [], "What is built."),
  providers: optional(list(anyProvider), [], "Where nodes run."),
  "tenant-resource-limits": optional(list(tenantLimits), [], "What each tenant may use at most."),
});

export type RootRow = NonNullable<ReturnType<typeof root>>;
export type DiskImageRow = RootRow["diskimages"][number];
export type TenantRow = RootRow["tenant-resource-limits"][number];

/** The secure file. */
export const secureRoot = mapping({
  "zookeeper-servers": optional(zookeeperServers, undefined, "The ensemble, instead of the other file's."),
  "zookeeper-tls": optional(
    zookeeperTls,
    undefined,
    "How to be known to the ensemble, instead of the other file's; all three keys.",
  ),
  diskimages: optional(
    list(
      mapping({
        name: required(text, "The diskimage."),
        "env-vars": optional(texts, {}, "Added to its own."),
      }),
    ),
    [],
    "What builds need and not everyone may read.",
  ),
});

/** A name pattern with the fields that Nodepool fills in. */
const imageNameFormat: Kind<string> = kind({ type: "string" }, (at) => {
  const pattern = text(at);
  const unknown = pattern === undefined ? null : unfillablePart(pattern);
  if (unknown === null) return pattern;
  const isField = IMAGE_NAME_FIELDS.some((field) => unknown.startsWith(`{${field}`));
  const remedy = isField ? ", with at most a width and a length, as {image_name:<30.20}" : "";
  return at.error(`has ${unknown}; the fields are {image_name}, {upload_id} and {timestamp}${remedy}`);
});

/** A provider of one driver: the keys that several drivers share, with the driver's own. */
export function provider(driver: DriverSchema) {
  const { open } = driver;
  const hostKeyChecking =
    driver.provider.own["host-key-checking"] === undefined
      ? `Scan the SSH host keys of nodes, others have to take a connection; ${driver.hostKeyChecking} when it is left out.`
      : "As the provider's; it goes before.";
  const poolLabel = mapping(
    {
      name: required(text, "The label, as at the top."),
      diskimage: optional(text, undefined, "The image, by its name in diskimages."),
      "cloud-image": optional(text, undefined, "The image, by its name in cloud-images."),
      "host-key-checking": optional(boolean, undefined, "As the pool's; it goes before."),
      "console-log": optional(
        boolean,
        false,
        "Log the last 200 lines of the console of a node whose launch fails.",
      ),
    },
    { ...driver.label, open },
  );
  const pool = mapping(
    {
      name: required(title, "What records and messages call it."),
      "max-servers": optional(
        limit,
        undefined,
        "Instances; 0 or less closes the pool; below 0 in every pool, the provider's images go too.",
      ),
      "max-cores": optional(limit, undefined, "Cores."),
      "max-ram": optional(mebibytes, undefined, "Memory in MiB."),
      priority: optional(integer(), undefined, "As the provider's; it goes before."),
      "node-attributes": optional(anyMapping, {}, "Written into the records of its nodes."),
      "host-key-checking": optional(boolean, undefined, hostKeyChecking),
      "ignore-provider-quota": optional(boolean, false, "Do not look at the cloud's quota."),
      labels: optional(list(poolLabel), [], "Labels that it serves."),
    },
    { ...driver.pool, open },
  );
  const diskimage = mapping(
    {
      name: required(text, "The diskimage, as at the top."),
      pause: optional(boolean, false, "Do not upload it here."),
      "connection-type": optional(text, "ssh", "How jobs connect: ssh, winrm or network_cli."),
      "connection-port": optional(port, undefined, "22, or 5986 for winrm, when it is left out."),
      meta: optional(properties("tags"), {}, "Properties of the image in the cloud."),
    },
    { ...driver.diskimage, open },
  );
  const hasCloudImageKeys = Object.keys(driver.cloudImage.own).length > 0;
  const cloudImage = mapping(
    { name: required(text, "What labels call it.") },
    { ...driver.cloudImage, open: !hasCloudImageKeys },
  );
  return mapping(
    {
      name: required(recordName, "What records and messages call it."),
      driver: optional(text, "openstack", "What it runs nodes on."),
      "max-concurrency": optional(
        integer(),
        -1,
        "Launches at once; below 0: no limit; 0: nothing is served there, and requests wait.",
      ),
      priority: optional(integer(), 100, "The lower, the earlier it is asked."),
      "boot-timeout": optional(timeout, driver.bootTimeout, "How long a node may take to answer."),
      "launch-timeout": optional(timeout, driver.launchTimeout, "How long a launch may take at all."),
      "launch-retries": optional(retries, 3, "Launches that may fail before a node does."),
      "image-upload-timeout": optional(timeout, 3600, "How long an upload may take."),
      "image-name-format": optional(imageNameFormat, driver.imageNameFormat, "Names of uploaded images."),
      "post-upload-hook": optional(path, undefined, "Program to run after an upload."),
      diskimages: optional(list(diskimage), [], "Images to upload."),
      "cloud-images": optional(list(cloudImage), [], "Images that are there already."),
      pools: optional(list(pool), [], "Groups of labels with limits of their own."),
    },
    { ...driver.provider, open },
  );
}

export type ProviderRow = NonNullable<ReturnType<ReturnType<typeof provider>>>;
export type PoolRow = ProviderRow["pools"][number];
