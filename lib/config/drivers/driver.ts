import type { Cursor } from "../cursor.ts";
import { integer, limit, port, text } from "../kinds.ts";
import { type Fields, optional } from "../mapping.ts";

// The form in which each driver writes down what it may be configured with. Validation, defaults, the JSON Schema and
// the reference for people are all made of it.

/** What the configuration knows of one driver. Times are seconds. */
export interface DriverSchema {
  /** What it runs nodes on, in a few words. */
  readonly about: string;
  readonly bootTimeout: number;
  readonly launchTimeout: number;
  /** The format it takes images in; null when no images are uploaded to it. */
  readonly imageFormat: string | null;
  readonly imageNameFormat: string;
  readonly hostKeyChecking: boolean;
  /** Whether a pool without limits of its own has those of its provider. */
  readonly inheritsLimits: boolean;
  /** Whether a label is served only when it names one of diskimage and cloud-image. */
  readonly needsImage: boolean;
  /** Whether it has keys that nobody wrote down. */
  readonly open: boolean;
  readonly provider: Level;
  readonly diskimage: Level;
  readonly cloudImage: Level;
  readonly pool: Level;
  readonly label: Level;
}

/** The keys of one kind of mapping. */
export interface Level {
  /** Keys beside those that several drivers share. */
  readonly own: Fields;
  /** Those of the shared keys that mean nothing to this driver. */
  readonly without: readonly string[];
  /** Looks at what no single key can tell. */
  readonly check?: (at: Cursor) => void;
}

type Levels = "provider" | "diskimage" | "cloudImage" | "pool" | "label";

/** What a driver says of itself; the rest is as most have it. */
export type DriverFacts = Partial<Omit<DriverSchema, Levels>> & {
  readonly about: string;
} & { readonly [L in Levels]?: Partial<Level> };

export function driver(facts: DriverFacts): DriverSchema {
  const level = (given: Partial<Level> = {}): Level => ({ own: {}, without: [], ...given });
  return {
    bootTimeout: 60,
    launchTimeout: 3600,
    imageFormat: null,
    imageNameFormat: "{image_name}-{timestamp}",
    hostKeyChecking: true,
    inheritsLimits: false,
    needsImage: false,
    open: false,
    ...facts,
    provider: level(facts.provider),
    diskimage: level(facts.diskimage),
    cloudImage: level(facts.cloudImage),
    pool: level(facts.pool),
    label: level(facts.label),
  };
}

/** The shared keys by what they are about, for drivers that have no use for them. */
export const SHARED = {
  images: ["diskimages", "image-upload-timeout", "image-name-format", "post-upload-hook"],
  cloudImages: ["cloud-images"],
  timeouts: ["boot-timeout", "launch-timeout"],
  retries: ["launch-retries"],
  amounts: ["max-cores", "max-ram"],
} as const;

/** How Ansible reaches a node of an image that is not built here. */
export const CONNECTION: Fields = {
  username: optional(
    text,
    undefined,
    "User that jobs log in as; Zuul's default_username when it is left out.",
  ),
  "connection-type": optional(text, "ssh", "How jobs connect: ssh, winrm or network_cli."),
  "connection-port": optional(port, undefined, "22, or 5986 for winrm, when it is left out."),
  ...interpreter("auto"),
};

/** The interpreter and the shell of a node. */
export function interpreter(python?: string): Fields {
  return {
    "python-path":
      python === undefined
        ? optional(text, undefined, "Python on the node; the diskimage's when it is left out.")
        : optional(text, python, "Python on the node; auto lets Ansible find it."),
    "shell-type": optional(text, undefined, "Shell for Ansible, as cmd or powershell."),
  };
}

export const RATE = "Calls to the API in a second.";

/** Of a key that is read and counts for nothing. */
export const WITHOUT_EFFECT = "Without effect, kept for old files.";

/** Limits of a provider that pools without their own take. */
export const PROVIDER_LIMITS: Fields = {
  "max-servers": optional(limit, undefined, "Instances; no limit when it is left out."),
  "max-cores": optional(limit, undefined, "Cores; no limit when it is left out."),
  "max-ram": optional(integer({ unit: "MiB" }), undefined, "Memory; no limit when it is left out."),
};
