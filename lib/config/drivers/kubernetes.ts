import type { Cursor } from "../cursor.ts";
import {
  anyMapping,
  anything,
  boolean,
  counts,
  integer,
  type Kind,
  limit,
  list,
  mebibytes,
  nothingOr,
  number,
  oneOf,
  text,
  texts,
} from "../kinds.ts";
import { type Fields, optional, record, required } from "../mapping.ts";
import { type DriverFacts, driver, PROVIDER_LIMITS, SHARED } from "./driver.ts";

// Kubernetes and the two kinds of OpenShift, which differ in a few keys.

const amount = integer({ minimum: 0 });
const resources = optional(counts, undefined, "Limits of other resources, by name.");

const POOL: Fields = {
  "max-resources": resources,
  "default-label-cpu": optional(amount, undefined, "Cores of labels that name none."),
  "default-label-memory": optional(mebibytes, undefined, "Memory of labels that name none, in MiB."),
  "default-label-storage": optional(integer({ unit: "MB" }), undefined, "Storage of labels that name none."),
  "default-label-cpu-limit": optional(amount, undefined, "Limit of cores."),
  "default-label-memory-limit": optional(mebibytes, undefined, "Limit of memory in MiB."),
  "default-label-storage-limit": optional(integer({ unit: "MB" }), undefined, "Limit of storage."),
  "default-label-extra-resources": optional(counts, undefined, "Other resources, by name."),
};

/** Keys of the form in which the pod is made by Nodepool; they do not go with `spec`. */
const GENERATED: Fields = {
  "image-pull": optional(
    oneOf("Always", "IfNotPresent", "Never"),
    "IfNotPresent",
    "When the image is pulled.",
  ),
  cpu: optional(amount, undefined, "Cores."),
  memory: optional(mebibytes, undefined, "Memory in MiB."),
  storage: optional(integer({ unit: "MB" }), undefined, "Storage."),
  "cpu-limit": optional(amount, undefined, "Limit of cores."),
  "memory-limit": optional(mebibytes, undefined, "Limit of memory in MiB."),
  "storage-limit": optional(integer({ unit: "MB" }), undefined, "Limit of storage."),
  gpu: optional(number({ minimum: 0 }), undefined, "Share of a GPU."),
  "gpu-resource": optional(text, undefined, "Name of the GPU's resource, as nvidia.com/gpu."),
  env: optional(
    list(record({ name: required(text, "The variable."), value: required(text, "Its value.") })),
    undefined,
    "Environment of the container.",
  ),
  "node-selector": optional(texts, undefined, "Labels of the nodes that it may run on."),
  privileged: optional(boolean, undefined, "Run the container privileged."),
  "scheduler-name": optional(text, undefined, "The scheduler."),
  volumes: optional(list(anything), undefined, "Volumes, as Kubernetes has them."),
  "volume-mounts": optional(list(anything), undefined, "Mounts, as Kubernetes has them."),
  "extra-resources": optional(counts, undefined, "Other resources, by name."),
};

const LABEL: Fields = {
  spec: optional(
    anyMapping,
    undefined,
    "The whole pod, as Kubernetes has it, instead of the keys for its parts.",
  ),
  "python-path": optional(text, "auto", "Python in the container; auto lets Ansible find it."),
  "shell-type": optional(text, undefined, "Shell for Ansible."),
  labels: optional(texts, undefined, "Labels of the pod."),
  "dynamic-labels": optional(
    texts,
    undefined,
    "Labels with fields of the request, as {request.tenant_name}.",
  ),
  annotations: optional(texts, undefined, "Annotations of the pod."),
  ...GENERATED,
};

function checkLabel(at: Cursor): void {
  if (at.key("spec") !== null) {
    const mixed = at.given(["image", ...Object.keys(GENERATED), "image-pull-secrets"]);
    if (mixed.length > 0) at.warning(`has spec, which says it all, so ${mixed.join(", ")} must go`);
  } else if (at.key("type")?.text() === "pod" && at.key("image") === null) {
    at.warning("is a pod without an image; add image or spec");
  }
}

/** Without spec a pod needs its image. */
function checkPod(at: Cursor): void {
  checkLabel(at);
  if (at.given(["spec", "image"]).length === 0) at.error("image is missing");
}

interface Pods {
  readonly about: string;
  readonly provider: Fields;
  readonly types: Kind<string>;
  readonly label?: Fields;
  readonly check?: (at: Cursor) => void;
  readonly facts?: Partial<DriverFacts>;
}

function pods({ about, provider, types, label = {}, check = checkLabel, facts }: Pods) {
  return driver({
    about,
    ...facts,
    provider: {
      own: { ...provider, ...PROVIDER_LIMITS, "max-resources": resources },
      without: [...SHARED.images, ...SHARED.cloudImages, ...SHARED.timeouts],
    },
    pool: { own: POOL, without: ["host-key-checking", "ignore-provider-quota"] },
    label: {
      own: {
        type: required(types, "What a node is."),
        image: optional(text, undefined, "The container's image."),
        ...LABEL,
        ...label,
      },
      without: ["diskimage", "cloud-image", "host-key-checking", "console-log"],
      check,
    },
  });
}

const context = "The context in the kubeconfig";
const pullSecrets = {
  "image-pull-secrets": optional(list(anything), undefined, "Secrets to pull the image with."),
};

export const kubernetes = pods({
  about: "Kubernetes",
  provider: {
    context: optional(
      nothingOr(text),
      undefined,
      `${context}; the cluster that we run in when it is left out.`,
    ),
  },
  types: oneOf("namespace", "pod"),
});

export const openshift = pods({
  about: "OpenShift, a project for each node",
  provider: {
    context: required(text, `${context}.`),
    "max-projects": optional(limit, undefined, "Projects; goes before max-servers."),
  },
  types: oneOf("project", "pod"),
  label: pullSecrets,
  facts: { inheritsLimits: true },
});

export const openshiftpods = pods({
  about: "OpenShift, pods in projects that are there",
  provider: {
    context: required(text, `${context}.`),
    "max-projects": optional(limit, undefined, "Pods; goes before max-servers."),
    "max-pods": optional(limit, undefined, "Without effect, kept for old files; use max-projects."),
  },
  types: oneOf("pod"),
  label: { ...pullSecrets, type: optional(oneOf("pod"), "pod", "Always pod.") },
  check: checkPod,
  facts: { inheritsLimits: true },
});
