import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Cursor } from "../cursor.ts";
import { readDocument } from "../document.ts";
import { driverSchema } from "../drivers.ts";
import { Problems } from "../problems.ts";
import { provider } from "../schema.ts";
import { interpolate } from "../source.ts";
import { ConfigError, type ConfigProblem } from "../types.ts";

type Json = Readonly<Record<string, unknown>>;

function problemsOf(driver: string, document: Json): readonly ConfigProblem[] {
  const problems = new Problems();
  const top = readDocument(
    interpolate(JSON.stringify({ name: "p", driver, ...document }), "f", {}),
    problems,
  );
  assert.ok(top);
  provider(driverSchema(driver))(new Cursor(top, "", problems));
  try {
    return problems.settle();
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
}

/** What is said of the keys together; that a single one is missing is tested elsewhere. */
const saidOf = (driver: string, document: Json) =>
  problemsOf(driver, document)
    .filter(({ message }) => !/^\S+ is missing/.test(message))
    .map(({ severity, path, message }) => `${severity} ${path}: ${message}`);

const label = (keys: Json, pool: Json = {}): Json => ({ pools: [{ ...pool, labels: [keys] }] });
const cloudImage = (keys: Json): Json => ({ "cloud-images": [keys] });
const diskimage = (keys: Json): Json => ({ diskimages: [keys] });

const LABEL = "pools[0].labels[0]";
const only = (keys: string, found: string) => `must have exactly one of ${keys}, but ${found}`;
const images = "cloud-image, diskimage";
const [ami, filters] = [{ "image-id": "ami-1" }, { "image-filters": [{ name: "n", values: ["v"] }] }];
const amazon = { "image-filters": [{ Name: "n", Values: ["v"] }] };
const network = { "subnet-id": "s" };
const place = { zone: "z", subnet: "s" };

/** A driver, what is tested, the provider, and what is said; nothing where all is well. */
const cases: readonly [string, string, Json, ...string[]][] = [
  ["openstack", "a flavor by its name", label({ "flavor-name": "f" })],
  ["openstack", "a flavor by its memory and its name", label({ "flavor-name": "f", "min-ram": 1 })],
  [
    "openstack",
    "no flavor",
    label({}),
    `warning ${LABEL}: must have at least one of min-ram, flavor-name, but none is there`,
  ],
  ["openstack", "an image of its own name", cloudImage({})],
  ["openstack", "an image by its id", cloudImage({ "image-id": "i" })],
  [
    "openstack",
    "an image by id and name",
    cloudImage({ "image-id": "i", "image-name": "n" }),
    "warning cloud-images[0]: must have only one of image-id, image-name, but image-id and image-name are there",
  ],

  ["aws", "one image and one type", label({ diskimage: "d", "instance-type": "t" })],
  [
    "aws",
    "no image and no type",
    label({}),
    `warning ${LABEL}: ${only(images, "none is there")}`,
    `warning ${LABEL}: ${only("instance-type, fleet", "none is there")}`,
  ],
  [
    "aws",
    "two images",
    label({ diskimage: "d", "cloud-image": "c", "instance-type": "t" }),
    `warning ${LABEL}: ${only(images, "cloud-image and diskimage are there")}`,
  ],
  [
    "aws",
    "a dedicated host in a zone",
    label({ diskimage: "d", "instance-type": "t", "dedicated-host": true }, { "availability-zone": "z" }),
  ],
  [
    "aws",
    "a spot instance on a dedicated host, anywhere",
    label({ diskimage: "d", "instance-type": "t", "dedicated-host": true, "use-spot": true }),
    `error ${LABEL}: Spot instances can not be used on dedicated hosts; remove use-spot or dedicated-host`,
    `error ${LABEL}: Availability-zone is required for dedicated hosts; add it to the pool`,
  ],
  [
    "aws",
    "a spot instance anywhere",
    label({ diskimage: "d", "instance-type": "t", "dedicated-host": false, "use-spot": true }),
  ],
  ["aws", "an image by its id", cloudImage(ami)],
  ["aws", "an image by filters", cloudImage(filters)],
  ["aws", "an image by filters as Amazon writes them", cloudImage(amazon)],
  ...[{}, { ...ami, ...filters }].map((keys): [string, string, Json, string] => [
    "aws",
    `an image by ${Object.keys(keys).join(" and ") || "nothing"}`,
    cloudImage(keys),
    'error cloud-images[0]: Provide either "image-filters", or "image-id" keys',
  ]),
  ["aws", "version 2 of the metadata, imported as usual", diskimage({ "imds-support": "v2.0" })],
  ["aws", "no version of the metadata", diskimage({ "import-method": "image" })],
  [
    "aws",
    "version 2 of the metadata, imported as an image",
    diskimage({ "imds-support": "v2.0", "import-method": "image" }),
    "error diskimages[0]: IMDSv2 requires 'snapshot' or 'ebs-direct' import method",
  ],
  [
    "aws",
    "a profile by name and ARN",
    label({ diskimage: "d", "instance-type": "t", "iam-instance-profile": { name: "n", arn: "a" } }),
    `warning ${LABEL}.iam-instance-profile: ${only("name, arn", "name and arn are there")}`,
  ],

  ["azure", "a network by its name", { network: "n" }],
  ["azure", "no network", {}, "warning : names no network for its nodes; add subnet-id or network"],
  ["azure", "an image", { ...network, ...cloudImage({ "image-id": "i" }) }],
  [
    "azure",
    "no image",
    { ...network, ...cloudImage({}) },
    `warning cloud-images[0]: ${only("image-reference, image-id, image-filter, shared-gallery-image, community-gallery-image", "none is there")}`,
  ],
  [
    "azure",
    "a label with no image",
    { ...network, ...label({}) },
    `warning ${LABEL}: ${only(images, "none is there")}`,
  ],

  ["gce", "an image by its id", cloudImage({ "image-id": "i" })],
  ["gce", "an image by project and family", cloudImage({ "image-project": "p", "image-family": "f" })],
  ...[{}, { "image-project": "p" }, { "image-id": "i", "image-family": "f" }].map(
    (keys): [string, string, Json, string] => [
      "gce",
      `an image by ${Object.keys(keys).join(" and ") || "nothing"}`,
      cloudImage(keys),
      "warning cloud-images[0]: must have image-id, or both image-project and image-family",
    ],
  ),

  ["ibmvpc", "a place for all pools", { ...place, pools: [{}] }],
  ["ibmvpc", "a place for each pool", { pools: [place, place] }],
  [
    "ibmvpc",
    "a pool without its subnet",
    { zone: "z", pools: [{ subnet: "s" }, {}] },
    "warning pools[1]: has no subnet, and its provider has none; add it to one of the two",
  ],
  [
    "ibmvpc",
    "names that it has no place for",
    { ...place, name: "my_cloud", pools: [{ name: "my_pool" }] },
    'warning name: must not contain "_", which this cloud has no place for; write "-" instead',
    'warning pools[0].name: must not contain "_", which this cloud has no place for; write "-" instead',
  ],
  [
    "ibmvpc",
    "images by nothing",
    { ...place, ...cloudImage({}), ...label({}) },
    `warning cloud-images[0]: ${only("image-href, image-id, image-name, image-filter", "none is there")}`,
    `warning ${LABEL}: ${only(images, "none is there")}`,
  ],

  ["kubernetes", "a pod by its image", label({ type: "pod", image: "i", cpu: 1 })],
  ["kubernetes", "a whole pod", label({ type: "pod", spec: {}, labels: { a: "b" } })],
  ["kubernetes", "a namespace", label({ type: "namespace" })],
  [
    "kubernetes",
    "a pod of nothing",
    label({ type: "pod" }),
    `warning ${LABEL}: is a pod without an image; add image or spec`,
  ],
  [
    "kubernetes",
    "a whole pod and its parts",
    label({ type: "pod", spec: {}, image: "i", "cpu-limit": 1 }),
    `warning ${LABEL}: has spec, which says it all, so image, cpu-limit must go`,
  ],
  [
    "openshift",
    "a whole pod and its secrets",
    label({ type: "pod", spec: {}, "image-pull-secrets": [] }),
    `warning ${LABEL}: has spec, which says it all, so image-pull-secrets must go`,
  ],
];

describe("the keys of a provider fit together", () => {
  for (const [driver, what, document, ...said] of cases) {
    it(`${driver}: ${what}`, () => assert.deepEqual(saidOf(driver, document), said));
  }

  it("openshiftpods: a pod of nothing is refused", () => {
    const errors = (keys: Json) =>
      problemsOf("openshiftpods", { context: "c", ...label({ name: "l", ...keys }, { name: "m" }) })
        .filter(({ severity }) => severity === "error")
        .map(({ path, message }) => `${path}: ${message}`);
    assert.deepEqual(errors({}), [`${LABEL}: image is missing`]);
    assert.deepEqual([errors({ image: "i" }), errors({ spec: {} })], [[], []]);
  });
});
