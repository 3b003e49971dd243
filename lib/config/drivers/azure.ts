import { boolean, either, gigabytes, limit, number, text, texts } from "../kinds.ts";
import { exactlyOne, expected, optional, record, required } from "../mapping.ts";
import { CONNECTION, driver, interpreter, RATE, SHARED } from "./driver.ts";

const tags = optional(texts, undefined, "Tags of the resource.");
const addresses = {
  ipv4: optional(boolean, undefined, "Give nodes an IPv4 address; on when neither family is chosen."),
  ipv6: optional(boolean, undefined, "Give nodes an IPv6 address."),
};
const gallery = record({
  "gallery-name": required(text, "The gallery."),
  name: required(text, "The image's name in it."),
  version: optional(text, undefined, "The version; the latest when it is left out."),
});

const secrets = {
  key: optional(text, undefined, "SSH public key of the user."),
  password: optional(text, undefined, "Password of the user."),
  "generate-password": optional(boolean, false, "Make a random password for each node."),
};

export const azure = driver({
  about: "Microsoft Azure",
  bootTimeout: 120,
  imageFormat: "vhd",
  provider: {
    own: {
      location: required(text, "The location, as centralus."),
      "resource-group": required(text, "Resource group of all that is made."),
      "resource-group-location": required(text, "Location of the resource group."),
      "auth-path": expected(text, "File of the credentials; AZURE_AUTH_LOCATION when it is left out."),
      "subnet-id": optional(text, undefined, "Subnet of the nodes."),
      network: optional(
        either(
          text,
          record({
            "resource-group": optional(text, undefined, "Resource group of the network."),
            network: required(text, "The network."),
            subnet: optional(text, "default", "The subnet."),
          }),
        ),
        undefined,
        "Network of the nodes: a name, or where it is.",
      ),
      ...addresses,
      "public-ipv4": optional(boolean, true, "Give nodes a public IPv4 address."),
      "public-ipv6": optional(boolean, false, "Give nodes a public IPv6 address."),
      "use-internal-ip": optional(boolean, false, "Reach nodes at their private address."),
      "host-key-checking": optional(
        boolean,
        true,
        "Scan the SSH host keys of nodes; others have to take a connection.",
      ),
      rate: optional(number({ minimum: 0 }), 1, RATE),
      "zuul-public-key": optional(text, undefined, "The old place of the images' key."),
    },
    without: ["image-upload-timeout", "image-name-format"],
    check: (at) => {
      if (at.given(["subnet-id", "network"]).length === 0) {
        at.warning("names no network for its nodes; add subnet-id or network");
      }
    },
  },
  diskimage: {
    own: {
      username: optional(text, undefined, "User that jobs log in as; the diskimage's when it is left out."),
      ...secrets,
      ...interpreter(),
      tags,
    },
    without: ["meta"],
  },
  cloudImage: {
    own: {
      ...CONNECTION,
      username: required(text, "User that jobs log in as."),
      ...secrets,
      "image-reference": optional(
        record({
          sku: required(text, "Stock-keeping unit."),
          publisher: required(text, "Publisher."),
          version: required(text, "Version, or latest."),
          offer: required(text, "Offer."),
        }),
        undefined,
        "An image of the marketplace.",
      ),
      "image-id": optional(text, undefined, "The image's id."),
      "image-filter": optional(
        record({ location: optional(text), name: optional(text), tags: optional(texts) }),
        undefined,
        "Which images; the last by name is taken.",
      ),
      "shared-gallery-image": optional(gallery, undefined, "An image of a gallery that was shared."),
      "community-gallery-image": optional(gallery, undefined, "An image of a community's gallery."),
    },
    check: (at) =>
      exactlyOne(at, [
        "image-reference",
        "image-id",
        "image-filter",
        "shared-gallery-image",
        "community-gallery-image",
      ]),
  },
  pool: {
    own: {
      "max-servers": required(limit, "Instances."),
      ...addresses,
      "public-ipv4": optional(boolean, undefined, "As the provider's; it goes before."),
      "public-ipv6": optional(boolean, undefined, "As the provider's; it goes before."),
      "use-internal-ip": optional(boolean, undefined, "As the provider's; it goes before."),
    },
    without: ["ignore-provider-quota", ...SHARED.amounts],
  },
  label: {
    own: {
      "hardware-profile": required(record({ "vm-size": required(text, "As Standard_B1ls.") }), "The size."),
      tags,
      "dynamic-tags": optional(
        texts,
        undefined,
        "Tags with fields of the request, as {request.tenant_name}.",
      ),
      "user-data": optional(text, undefined, "User data, in plain text."),
      "custom-data": optional(text, undefined, "Custom data, in plain text."),
      "volume-size": optional(gigabytes, undefined, "Size of the system's disk in GB."),
    },
    without: ["host-key-checking", "console-log"],
    check: (at) => exactlyOne(at, ["cloud-image", "diskimage"]),
  },
});
