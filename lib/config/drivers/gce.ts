import { boolean, gigabytes, integer, number, text } from "../kinds.ts";
import { optional, required } from "../mapping.ts";
import { CONNECTION, driver, RATE, SHARED } from "./driver.ts";

export const gce = driver({
  about: "Google Compute Engine",
  provider: {
    own: {
      region: required(text, "The region, as us-central1."),
      project: required(text, "The project's id."),
      zone: required(text, "The zone, as us-central1-a."),
      rate: optional(number({ minimum: 0 }), 2, RATE),
      "rate-limit": optional(integer(), undefined, "Without effect, kept for old files; use rate."),
    },
    without: SHARED.images,
  },
  cloudImage: {
    own: {
      ...CONNECTION,
      key: optional(text, undefined, "SSH public key of the user."),
      "image-id": optional(text, undefined, "The image's id."),
      "image-project": optional(text, undefined, "Project of the image's family."),
      "image-family": optional(text, undefined, "Family; its newest image is taken."),
    },
    check: (at) => {
      const given = at.given(["image-id", "image-project", "image-family"]).join(" and ");
      if (given === "image-id" || given === "image-project and image-family") return;
      at.warning("must have image-id, or both image-project and image-family");
    },
  },
  pool: {
    own: { "use-internal-ip": optional(boolean, false, "Reach nodes at their private address.") },
    without: ["ignore-provider-quota", ...SHARED.amounts],
  },
  label: {
    own: {
      "cloud-image": required(text, "The image, by its name in cloud-images."),
      "instance-type": required(text, "Machine type, as n1-standard-1."),
      "volume-type": optional(text, "pd-standard", "Type of the disk."),
      "volume-size": optional(gigabytes, 10, "Size of the disk in GB."),
    },
    without: ["diskimage", "host-key-checking", "console-log"],
  },
});
