import type { Cursor } from "../cursor.ts";
import {
  boolean,
  counts,
  gigabytes,
  integer,
  kind,
  list,
  nothingOr,
  number,
  oneOf,
  text,
  texts,
  timeout,
} from "../kinds.ts";
import { exactlyOne, optional, record, required } from "../mapping.ts";
import { CONNECTION, driver, interpreter, PROVIDER_LIMITS, RATE } from "./driver.ts";

const operations = optional(integer({ minimum: 1 }), undefined, "Operations of the volume in a second.");
const throughput = optional(integer({ unit: "MiB/s", minimum: 1 }), undefined, "Throughput of the volume.");
const resources = optional(counts, undefined, "Limits by quota code, as L-1216C47A.");

const addresses = {
  "use-internal-ip": optional(boolean, undefined, "Reach nodes at their private address."),
  "public-ipv4": optional(boolean, undefined, "Give nodes a public IPv4 address."),
  "public-ipv6": optional(boolean, undefined, "Give nodes an IPv6 address."),
};

const filterName = required(text, "What to filter by.");
const filterValues = required(list(text), "What it may be.");
const filter = record({ name: filterName, values: filterValues });
const capitalFilter = record({ Name: filterName, Values: filterValues });
/** Nodepool takes the keys as Amazon writes them, too. */
const eitherFilter = kind(
  {
    anyOf: [
      filter.json,
      {
        type: "object",
        patternProperties: { "^Name$": filterName.kind.json, "^Values$": filterValues.kind.json },
        required: ["Name", "Values"],
        additionalProperties: false,
      },
    ],
  },
  (at) => (at.given(["Name", "Values"]).length > 0 ? capitalFilter(at) : filter(at)),
);

/** What EC2 refuses to combine. */
function checkPool(pool: Cursor): void {
  for (const label of pool.key("labels")?.items() ?? []) {
    exactlyOne(label, ["cloud-image", "diskimage"]);
    exactlyOne(label, ["instance-type", "fleet"]);
    if (label.key("dedicated-host")?.plain() !== true) continue;
    if (label.key("use-spot")?.plain() === true) {
      label.error("Spot instances can not be used on dedicated hosts; remove use-spot or dedicated-host");
    }
    if (pool.key("availability-zone") === null) {
      label.error("Availability-zone is required for dedicated hosts; add it to the pool");
    }
  }
}

export const aws = driver({
  about: "Amazon EC2",
  bootTimeout: 180,
  imageFormat: "raw",
  inheritsLimits: true,
  provider: {
    own: {
      "region-name": required(text, "The region, as us-east-1."),
      "profile-name": optional(text, undefined, "The profile in the credentials file."),
      rate: optional(number({ minimum: 0 }), 2, `${RATE} Reading has ten times as many.`),
      "object-storage": optional(
        record({ "bucket-name": required(text, "The bucket.") }),
        undefined,
        "The S3 bucket that images are imported from.",
      ),
      "image-format": optional(
        oneOf("ova", "vhd", "vhdx", "vmdk", "raw"),
        "raw",
        "Format of uploaded images.",
      ),
      "image-import-timeout": optional(
        timeout,
        undefined,
        "How long an import may take; no limit if left out.",
      ),
      "max-resources": resources,
      "host-key-checking": optional(
        boolean,
        true,
        "Scan the SSH host keys of nodes; others have to take a connection.",
      ),
      ...PROVIDER_LIMITS,
      "use-internal-ip": optional(boolean, false, "Reach nodes at their private address."),
      "public-ipv4": optional(boolean, true, "Give nodes a public IPv4 address."),
      "public-ipv6": optional(boolean, false, "Give nodes an IPv6 address."),
    },
    without: ["image-upload-timeout", "image-name-format"],
  },
  diskimage: {
    own: {
      username: optional(text, undefined, "User that jobs log in as; the diskimage's when it is left out."),
      ...interpreter(),
      architecture: optional(text, "x86_64", "Architecture of the image."),
      "ena-support": optional(boolean, true, "Whether the image has the driver of the ENA network."),
      "volume-size": optional(gigabytes, undefined, "Size of the root volume in GB."),
      "volume-type": optional(text, "gp3", "Type of the root volume."),
      "import-method": optional(oneOf("snapshot", "ebs-direct", "image"), "snapshot", "How it is imported."),
      "imds-support": optional(
        nothingOr(oneOf("v2.0")),
        undefined,
        "Which metadata service the image needs.",
      ),
      iops: operations,
      throughput,
      tags: optional(texts, undefined, "Tags of the image."),
    },
    without: ["meta"],
    check: (at) => {
      if (at.key("imds-support")?.text() !== "v2.0" || at.key("import-method")?.text() !== "image") return;
      at.error("IMDSv2 requires 'snapshot' or 'ebs-direct' import method");
    },
  },
  cloudImage: {
    own: {
      ...CONNECTION,
      username: required(text, "User that jobs log in as."),
      "image-id": optional(text, undefined, "The AMI's id."),
      "image-filters": optional(list(eitherFilter), undefined, "Which AMIs; the newest of them is taken."),
    },
    check: (at) => {
      if (at.given(["image-id", "image-filters"]).length === 1) return;
      at.error('Provide either "image-filters", or "image-id" keys');
    },
  },
  pool: {
    own: {
      "security-group-id": optional(text, undefined, "Security group of the instances."),
      "subnet-id": optional(text, undefined, "Subnet of the instances."),
      "public-ip-address": optional(boolean, undefined, "The old name of public-ipv4; it wins."),
      "availability-zone": optional(text, undefined, "Zone to launch in."),
      "max-resources": resources,
      ...addresses,
    },
    without: ["ignore-provider-quota"],
    check: checkPool,
  },
  label: {
    own: {
      "key-name": required(text, "The key pair to put on the instance."),
      "instance-type": optional(text, undefined, "Instance type, as t3.large."),
      fleet: optional(
        record({
          "instance-types": required(list(text), "Instance types to choose from."),
          "allocation-strategy": required(
            oneOf(
              "prioritized",
              "price-capacity-optimized",
              "capacity-optimized",
              "diversified",
              "lowest-price",
            ),
            "How to choose.",
          ),
        }),
        undefined,
        "Several instance types instead of one.",
      ),
      "ebs-optimized": optional(boolean, false, "Ask for EBS optimization."),
      "volume-type": optional(text, undefined, "Type of the root volume."),
      "volume-size": optional(gigabytes, undefined, "Size of the root volume in GB."),
      iops: operations,
      throughput,
      userdata: optional(text, undefined, "User data for cloud-init."),
      "iam-instance-profile": optional(
        record({ name: optional(text), arn: optional(text) }, (at) => exactlyOne(at, ["name", "arn"])),
        undefined,
        "The profile, by name or by ARN.",
      ),
      tags: optional(texts, undefined, "Tags of the instance."),
      "dynamic-tags": optional(
        texts,
        undefined,
        "Tags with fields of the request, as {request.tenant_name}.",
      ),
      "use-spot": optional(boolean, false, "Ask for a spot instance."),
      imdsv2: optional(
        nothingOr(oneOf("required", "optional")),
        undefined,
        "Version 2 of the metadata service.",
      ),
      "dedicated-host": optional(boolean, false, "Launch on a host of its own."),
    },
    without: ["console-log"],
  },
});
