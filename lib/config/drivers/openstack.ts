import {
  boolean,
  gigabytes,
  integer,
  limit,
  list,
  mebibytes,
  number,
  properties,
  seconds,
  text,
} from "../kinds.ts";
import { atLeastOne, atMostOne, expected, optional } from "../mapping.ts";
import { CONNECTION, driver, WITHOUT_EFFECT } from "./driver.ts";

const configDrive = optional(
  boolean,
  undefined,
  "Whether to attach a config drive; the cloud's default if left out.",
);

export const openstack = driver({
  about: "OpenStack",
  imageFormat: "qcow2",
  needsImage: true,
  provider: {
    own: {
      cloud: expected(text, "The cloud's name in clouds.yaml."),
      "region-name": optional(text, undefined, "The region, when the cloud has several."),
      rate: optional(number({ unit: "seconds", minimum: 0 }), 1, "Seconds between calls to the API."),
      "clean-floating-ips": optional(boolean, false, "Delete floating addresses that no server has."),
      "port-cleanup-interval": optional(seconds, 600, "How often ports that are DOWN are deleted; 0: never."),
      "nodepool-id": optional(text, undefined, WITHOUT_EFFECT),
    },
  },
  diskimage: { own: { "config-drive": configDrive } },
  cloudImage: {
    own: {
      ...CONNECTION,
      "config-drive": configDrive,
      "image-id": optional(text, undefined, "The image's id; its name here is for labels only."),
      "image-name": optional(text, undefined, "The image's name in the cloud, when it is not that of here."),
    },
    check: (at) => atMostOne(at, ["image-id", "image-name"]),
  },
  pool: {
    own: {
      networks: optional(list(text), undefined, "Networks to attach, by name or id."),
      "availability-zones": optional(list(text), undefined, "Zones to launch in; any when it is left out."),
      "security-groups": optional(list(text), undefined, "Security groups of the servers."),
      "auto-floating-ip": optional(boolean, true, "Attach a floating address where the network needs one."),
      "max-volumes": optional(limit, undefined, "Volumes; no limit when it is left out."),
      "max-volume-gb": optional(integer({ unit: "GB" }), undefined, "Size of all volumes together."),
    },
  },
  label: {
    own: {
      "min-ram": optional(mebibytes, undefined, "Take the smallest flavor with so much memory."),
      "flavor-name": optional(text, undefined, "The flavor; with min-ram, a part of its name."),
      "key-name": optional(text, undefined, "The key pair to put on the server."),
      "boot-from-volume": optional(boolean, false, "Boot from a volume that is made of the image."),
      "volume-size": optional(gigabytes, 50, "Size of that volume in GB."),
      "instance-properties": optional(properties(), undefined, "Metadata of the server."),
      "dynamic-instance-properties": optional(
        properties(),
        undefined,
        "Metadata with fields of the request, as {request.tenant_name}.",
      ),
      userdata: optional(text, undefined, "User data for cloud-init."),
      networks: optional(list(text), undefined, "Networks to attach instead of the pool's."),
    },
    check: (at) => atLeastOne(at, ["min-ram", "flavor-name"]),
  },
});
