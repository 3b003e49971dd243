import type { DriverFacts, DriverKeys } from "./drivers.ts";
import {
  boolean,
  integer,
  type Kind,
  list,
  mapping,
  name,
  number,
  oneOf,
  optional,
  release,
  required,
  text,
  texts,
} from "./kinds.ts";

// The keys of nodepool.yaml and of the secure file, with their types and defaults.

const seconds = integer({ unit: "seconds" });
const timeout = integer({ unit: "seconds", minimum: 1 });
const port = integer({ unit: "a port", minimum: 1, maximum: 65535 });

const zookeeperServers = list(
  mapping({ host: required(text), port: optional(port, 2281), chroot: optional(text, "") }),
);
const zookeeperTls = mapping({ cert: required(text), key: required(text), ca: required(text) });

const label = mapping({
  name: required(name),
  "min-ready": optional(integer({ unit: "nodes" }), 0),
  "max-ready-age": optional(seconds, 0),
});

const diskimage = mapping({
  name: required(name),
  abstract: optional(boolean, false),
  parent: optional(text),
  "dib-cmd": optional(text),
  elements: optional(list(text), []),
  "env-vars": optional(texts, {}),
  formats: optional(list(text)),
  "keep-formats": optional(list(text)),
  "delete-after-upload": optional(boolean),
  pause: optional(boolean),
  "python-path": optional(text),
  "shell-type": optional(text),
  "rebuild-age": optional(seconds),
  "build-timeout": optional(seconds),
  release: optional(release),
  username: optional(text),
  metadata: optional(texts, {}),
});

/** Beside the name any resource with its limit; `max-` is put before those that pools have too. */
const tenantLimits = mapping({ "tenant-name": required(text) }, null);

/** The file. Providers are read by {@link provider} once their driver is known. */
export const root = mapping({
  webapp: optional(mapping({ port: optional(port, 8005), listen_address: optional(text, "0.0.0.0") })),
  "elements-dir": optional(text),
  "images-dir": optional(text),
  "build-log-dir": optional(text, "/var/log/nodepool/builds"),
  "build-log-retention": optional(integer({ unit: "logs of an image" }), 7),
  "zookeeper-servers": optional(zookeeperServers, []),
  "zookeeper-tls": optional(zookeeperTls),
  "zookeeper-timeout": optional(number({ unit: "seconds", minimum: 0.1 }), 10),
  labels: optional(list(label), []),
  "max-hold-age": optional(seconds, 0),
  diskimages: optional(list(diskimage), []),
  providers: optional(list(mapping({ name: required(name), driver: optional(text, "openstack") }, null)), []),
  "tenant-resource-limits": optional(list(tenantLimits), []),
});

export type RootRow = NonNullable<ReturnType<typeof root>>;
export type DiskImageRow = RootRow["diskimages"][number];

/** The secure file. */
export const secureRoot = mapping({
  "zookeeper-servers": optional(zookeeperServers),
  "zookeeper-tls": optional(zookeeperTls),
  diskimages: optional(list(mapping({ name: required(text), "env-vars": optional(texts, {}) })), []),
});

/** The keys of a pool label that every driver has; the driver's own are added by `others`. */
function poolLabel(others: readonly string[] | null) {
  return mapping(
    {
      name: required(text),
      diskimage: optional(text),
      "cloud-image": optional(text),
      "host-key-checking": optional(boolean),
      "console-log": optional(boolean, false),
    },
    others,
  );
}

/** A host of the static driver: its labels are those of the pool. */
export const staticNode = mapping(
  {
    name: required(text),
    labels: required<string[]>((at) =>
      at.value.kind === "list"
        ? list(text)(at)
        : text(at)
            ?.split(/\s+/)
            .filter((word) => word !== ""),
    ),
    "host-key-checking": optional(boolean, true),
  },
  [
    ..."username timeout host-key connection-port ssh-port connection-type".split(" "),
    ..."shell-type max-parallel-jobs python-path".split(" "),
  ],
);

export const limit = integer();

/** The engines of the local driver. */
export const localEngine = oneOf("auto", "container", "sandbox", "process");

function pool(keys: DriverKeys | null) {
  return mapping(
    {
      name: required(name),
      "max-servers": optional(limit),
      "max-cores": optional(limit),
      "max-ram": optional(integer({ unit: "MiB" })),
      priority: optional(integer()),
      "node-attributes": optional(texts, {}),
      "host-key-checking": optional(boolean),
      "ignore-provider-quota": optional(boolean, false),
      labels: optional(list(poolLabel(keys?.label ?? null)), []),
    },
    keys?.pool ?? null,
  );
}

/** A name pattern with the fields that Nodepool fills in. */
const imageNameFormat: Kind<string> = (at) => {
  const pattern = text(at);
  const unknown = pattern?.match(/\{(?!(?:image_name|upload_id|timestamp)[}!:])[^}]*\}?/)?.[0];
  if (unknown === undefined) return pattern;
  return at.error(`has ${unknown}; the fields are {image_name}, {upload_id} and {timestamp}`);
};

const cloudImage = mapping({ name: required(text) }, null);

/** The keys of a provider that every driver has; the driver's own are known by their names. */
export function provider(facts: DriverFacts) {
  const { keys } = facts;
  return mapping(
    {
      name: required(name),
      driver: optional(text, "openstack"),
      "max-concurrency": optional(integer(), -1),
      priority: optional(integer(), 100),
      "boot-timeout": optional(timeout, facts.bootTimeout),
      "launch-timeout": optional(timeout, facts.launchTimeout),
      "launch-retries": optional(integer({ minimum: 0 }), 3),
      "image-upload-timeout": optional(timeout, 3600),
      "image-name-format": optional(imageNameFormat, facts.imageNameFormat),
      "post-upload-hook": optional(text),
      diskimages: optional(
        list(
          mapping(
            {
              name: required(text),
              pause: optional(boolean, false),
              "connection-type": optional(text, "ssh"),
              "connection-port": optional(port),
              meta: optional(texts, {}),
            },
            keys?.diskimage ?? null,
          ),
        ),
        [],
      ),
      "cloud-images": optional(list(cloudImage), []),
      pools: optional(list(pool(keys)), []),
    },
    keys?.provider ?? null,
  );
}

export type ProviderRow = NonNullable<ReturnType<ReturnType<typeof provider>>>;
export type PoolRow = ProviderRow["pools"][number];
