import type { Component, ListComponentsResponse } from "../../../lib/rpc/gen/nodepool/v1/component.ts";
import { formatName } from "../../../lib/rpc/names.ts";
import { int64Of, timestampOf } from "../../../lib/rpc/values.ts";
import { currentView, type Shared } from "./shared.ts";

/** Every builder, launcher and pool that is registered. What cannot be read is left out. */
export async function listComponents(shared: Shared): Promise<ListComponentsResponse> {
  const view = currentView(shared);
  const daemons = Array.from(view.components(), ({ component, record, znode, createdAt }) => {
    const hash = record?.extra.config_hash;
    const generation = record?.extra.config_generation;
    return {
      ...common(component, znode, createdAt, record),
      configHash: typeof hash === "string" ? hash : "",
      configGeneration: typeof generation === "number" ? int64Of(generation) : 0n,
    };
  });
  const pools = Array.from(view.pools(), ({ record, znode, createdAt }) => ({
    ...common("pool", znode, createdAt, record),
    provider:
      record === null ? "" : formatName("providers/{provider}", { provider: record.providerName ?? "" }),
    pool: record?.name ?? "",
    labels: [...(record?.supportedLabels ?? [])],
  }));
  const components = [...daemons, ...pools].sort(
    (a, b) =>
      a.kind.localeCompare(b.kind) || a.hostname.localeCompare(b.hostname) || a.name.localeCompare(b.name),
  );
  return { components };
}

/** What all of them have. @param createdAt seconds */
function common(
  kind: string,
  znode: string,
  createdAt: number,
  record: {
    readonly hostname: string | null;
    readonly state: string;
    readonly version: string | null;
  } | null,
): Component {
  return {
    name: formatName("components/{kind}/{component}", { kind, component: znode }),
    kind,
    hostname: record?.hostname ?? "",
    state: record?.state ?? "",
    version: record?.version ?? "",
    configHash: "",
    configGeneration: 0n,
    provider: "",
    pool: "",
    labels: [],
    createTime: timestampOf(createdAt),
  };
}
