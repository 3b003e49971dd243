// The manifests are checked against what they refer to: container files, ports, users, paths, times, and each other.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { parseConfig } from "../../lib/config/load.ts";
import { LAST_RESORT_MS } from "../../lib/daemon/stopping.ts";

interface Container {
  readonly name: string;
  readonly image: string;
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly readinessProbe: { readonly grpc: { readonly port: number } };
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { readonly runAsNonRoot: boolean; readonly fsGroup?: number };
  readonly containers: readonly [Container];
  readonly volumes: readonly { readonly name: string }[];
}

interface Workload {
  readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: Pod };
  readonly selector: { readonly matchLabels: Labels };
  readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
}

type Labels = Readonly<Record<string, string>>;

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: unknown;
  readonly data?: Readonly<Record<string, string>>;
}

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
const manifests = parseAllDocuments(await read("deploy/kubernetes/nodepool.yaml")).map((document) => {
  assert.deepEqual(document.errors, []);
  return document.toJS() as Manifest;
});
const ofKind = <Spec>(kind: string) =>
  manifests
    .filter((one) => one.kind === kind)
    .map(({ metadata, spec }) => ({ ...metadata, spec: spec as Spec }));
const workloads = [...ofKind<Workload>("Deployment"), ...ofKind<Workload>("StatefulSet")];

/** The configuration's text; empty when there is none. */
const config = manifests.find(({ kind }) => kind === "ConfigMap")?.data?.["nodepool.yaml"] ?? "";

describe("deploy/kubernetes/nodepool.yaml", () => {
  test("runs launchers and a builder", () => {
    assert.deepEqual(workloads.map(({ name }) => name).sort(), ["nodepool-builder", "nodepool-launcher"]);
  });

  test("has a configuration that can be used, and nothing doubtful in it", () => {
    const { warnings, zookeeper } = parseConfig(config, "/etc/nodepool/nodepool.yaml", { examine: true });
    assert.deepEqual(warnings, []);
    assert.equal(zookeeper?.servers.length, 1);
  });

  for (const { name, spec } of workloads) {
    const pod = spec.template.spec;
    const [container] = pod.containers;
    const labels = Object.entries(spec.template.metadata.labels);
    const selects = (selector: Labels) =>
      Object.entries(selector).every(([key, value]) =>
        labels.some(([label, text]) => label === key && text === value),
      );

    test(`${name} serves and is asked for its health at the port of its image`, async () => {
      const file = await read(`deploy/${container.name}.Containerfile`);
      const port = Number(/^EXPOSE (\d+)$/m.exec(file)?.[1]);
      assert.deepEqual(container.ports, [{ name: "grpc", containerPort: port }]);
      assert.equal(container.readinessProbe.grpc.port, port);
      assert.ok(file.includes(`"--listen", "0.0.0.0:${port}"`));
      assert.equal(container.image, name);
    });

    test(`${name} has a service that finds it, and is open to who may call`, () => {
      const services = ofKind<{ selector: Labels; ports: { port: number; targetPort: string }[] }>("Service");
      const service = services.find(({ spec }) => selects(spec.selector));
      assert.ok(selects(spec.selector.matchLabels));
      assert.equal(service?.name, name);
      const port = container.ports[0]?.containerPort;
      assert.deepEqual(
        service?.spec.ports.map(({ port, targetPort }) => [port, targetPort]),
        [[port, "grpc"]],
      );
      const [policy] = ofKind<{ ingress: { ports: { port: number }[] }[] }>("NetworkPolicy");
      assert.ok(policy?.spec.ingress[0]?.ports.some((open) => open.port === port));
    });

    test(`${name} may take as long to stop as it takes`, () => {
      const sleeps = container.lifecycle?.preStop.sleep.seconds ?? 0;
      const grace = 30;
      assert.ok(pod.terminationGracePeriodSeconds >= sleeps + grace + LAST_RESORT_MS / 1000);
    });

    test(`${name} runs as its image's user, who owns what it writes`, async () => {
      const user = /^USER (\d+):(\d+)$/m.exec(await read(`deploy/${container.name}.Containerfile`));
      assert.ok(pod.securityContext.runAsNonRoot);
      assert.notEqual(user, null);
      if (pod.securityContext.fsGroup !== undefined) {
        assert.equal(pod.securityContext.fsGroup, Number(user?.[2]));
      }
    });

    test(`${name} mounts each volume that it has, and its configuration where its image looks for it`, async () => {
      const claims = spec.volumeClaimTemplates?.map(({ metadata }) => metadata.name) ?? [];
      const there = [...pod.volumes.map((volume) => volume.name), ...claims];
      assert.deepEqual(container.volumeMounts.map((mount) => mount.name).sort(), there.sort());
      const file = await read(`deploy/${container.name}.Containerfile`);
      const folder = /"-c", "(.*)\/nodepool\.yaml"/.exec(file)?.[1];
      assert.equal(container.volumeMounts.find((mount) => mount.name === "config")?.mountPath, folder);
    });
  }

  test("keeps the builder's images and logs on its volume", () => {
    const { imagesDir, buildLogDir } = parseConfig(config, "/etc/nodepool/nodepool.yaml");
    const builder = workloads.find(({ name }) => name === "nodepool-builder");
    const state = builder?.spec.template.spec.containers[0].volumeMounts.find(({ name }) => name === "state");
    for (const folder of [imagesDir, buildLogDir])
      assert.ok(folder?.startsWith(`${state?.mountPath}/`), `${folder}`);
  });
});
