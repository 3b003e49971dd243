import type { Cursor } from "../cursor.ts";
import { boolean, integer, limit, list, mebibytes, number, text } from "../kinds.ts";
import { exactlyOne, optional, record, required } from "../mapping.ts";
import { CONNECTION, driver, interpreter, RATE, SHARED } from "./driver.ts";

function checkName(at: Cursor): void {
  const name = at.key("name");
  if (name?.text()?.includes("_")) {
    name.warning(`must not contain "_", which this cloud has no place for; write "-" instead`);
  }
}

/** Zone and subnet stand at the provider, or in every pool. */
function checkProvider(at: Cursor): void {
  checkName(at);
  for (const key of ["zone", "subnet"]) {
    if (at.key(key) !== null) continue;
    for (const pool of at.key("pools")?.items() ?? []) {
      if (pool.key(key) === null)
        pool.warning(`has no ${key}, and its provider has none; add it to one of the two`);
    }
  }
}

const word = optional(text);

export const ibmvpc = driver({
  about: "IBM Cloud VPC",
  bootTimeout: 120,
  imageFormat: "qcow2",
  imageNameFormat: "npimage{upload_id}",
  provider: {
    own: {
      vpc: required(text, "The VPC."),
      region: required(text, "The region, as us-south."),
      zone: optional(text, undefined, "The zone, for pools that name none."),
      subnet: optional(text, undefined, "The subnet, for pools that name none."),
      "credentials-file": optional(text, undefined, "File of the credentials."),
      "object-storage": optional(
        record({
          "instance-name": required(text, "The storage instance."),
          endpoint: required(text, "Its endpoint."),
          "bucket-name": required(text, "The bucket."),
        }),
        undefined,
        "Where images are imported from.",
      ),
      quota: optional(
        record({
          instances: optional(integer(), undefined, "Instances."),
          cores: optional(integer(), undefined, "Cores."),
          ram: optional(mebibytes, undefined, "Memory."),
        }),
        undefined,
        "What may be used; the cloud tells no quota.",
      ),
      "public-ipv4": optional(boolean, false, "Give nodes a floating address."),
      "use-internal-ip": optional(boolean, false, "Reach nodes at their private address."),
      "host-key-checking": optional(
        boolean,
        true,
        "Scan the SSH host keys of nodes; others have to take a connection.",
      ),
      rate: optional(number({ minimum: 0 }), 1, RATE),
      "image-format": optional(text, "qcow2", "Format of uploaded images."),
    },
    without: ["image-upload-timeout", "image-name-format"],
    check: checkProvider,
  },
  diskimage: {
    own: { "operating-system": required(text, "The system's name at IBM."), ...interpreter() },
    without: ["meta"],
  },
  cloudImage: {
    own: {
      ...CONNECTION,
      username: required(text, "User that jobs log in as."),
      keys: optional(list(text), undefined, "Names of SSH keys at IBM."),
      "image-href": optional(text, undefined, "The image's address."),
      "image-id": optional(text, undefined, "The image's id."),
      "image-name": optional(text, undefined, "The image's name."),
      "image-filter": optional(
        record({
          "operating-system": optional(
            record({
              architecture: word,
              "dedicated-host-only": optional(boolean),
              "display-name": word,
              family: word,
              href: word,
              name: word,
              vendor: word,
              version: word,
            }),
            undefined,
            "What its system is.",
          ),
          "owner-type": optional(text, undefined, "provider or user."),
          status: optional(text, undefined, "As available."),
        }),
        undefined,
        "Which image.",
      ),
    },
    check: (at) => exactlyOne(at, ["image-href", "image-id", "image-name", "image-filter"]),
  },
  pool: {
    own: {
      "max-servers": required(limit, "Instances."),
      zone: optional(text, undefined, "The zone."),
      subnet: optional(text, undefined, "The subnet, in that zone."),
      "public-ipv4": optional(boolean, undefined, "As the provider's; it goes before."),
      "use-internal-ip": optional(boolean, undefined, "As the provider's; it goes before."),
    },
    without: ["ignore-provider-quota", ...SHARED.amounts],
    check: checkName,
  },
  label: {
    own: {
      profile: required(text, "The instance profile, as bx2-2x8."),
      "user-data": optional(text, undefined, "User data for cloud-init."),
    },
    without: ["host-key-checking", "console-log"],
    check: (at) => exactlyOne(at, ["cloud-image", "diskimage"]),
  },
});
