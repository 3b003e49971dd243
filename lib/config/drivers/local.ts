import { integer, oneOf, path } from "../kinds.ts";
import { optional } from "../mapping.ts";
import { driver } from "./driver.ts";

export const local = driver({
  about: "This machine: containers, sandboxes or processes",
  launchTimeout: 300,
  imageFormat: "tar",
  needsImage: true,
  provider: {
    own: {
      engine: optional(
        oneOf("auto", "container", "sandbox", "process"),
        "auto",
        "What runs a node; auto takes the first of container and sandbox that works here.",
      ),
      socket: optional(path, undefined, "Socket of the container engine."),
      "state-dir": optional(path, undefined, "Where images and nodes are kept, from the folder of the file."),
    },
  },
  label: {
    own: {
      cores: optional(integer({ minimum: 1 }), undefined, "Cores that a node may use."),
      ram: optional(integer({ unit: "MiB", minimum: 1 }), undefined, "Memory that a node may use."),
    },
  },
});
