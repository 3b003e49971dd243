// The launcher's gRPC services: each method is in its own file.
import { answerInOutage, writeWhenConnected } from "../../../lib/daemon/outage.ts";
import { ChangeFeed } from "../../../lib/rpc/change_feed.ts";
import { ComponentServiceDefinition } from "../../../lib/rpc/gen/nodepool/v1/component.ts";
import { NodeServiceDefinition } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { ProviderServiceDefinition } from "../../../lib/rpc/gen/nodepool/v1/provider.ts";
import { RequestServiceDefinition } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { type RpcService, rpcService } from "../../../lib/rpc/service.ts";
import type { Engine } from "../engine.ts";
import type { Environment } from "../environment.ts";
import { createRequest } from "./create_request.ts";
import { deleteNode } from "./delete_node.ts";
import { eraseProviderData } from "./erase_provider_data.ts";
import { explain } from "./explain.ts";
import { getConsoleLog } from "./get_console_log.ts";
import { getNode } from "./get_node.ts";
import { getRequest } from "./get_request.ts";
import { holdNode } from "./hold_node.ts";
import { listAlienImages, listAlienInstances } from "./list_aliens.ts";
import { listComponents } from "./list_components.ts";
import { listNodes } from "./list_nodes.ts";
import { listProviders } from "./list_providers.ts";
import { listRequests } from "./list_requests.ts";
import { releaseBrake } from "./release_brake.ts";
import { releaseNode } from "./release_node.ts";
import { releaseRequest } from "./release_request.ts";
import { renewRequest } from "./renew_request.ts";
import type { NodeChange, Shared } from "./shared.ts";
import { updateRequest } from "./update_request.ts";
import { watchNodes } from "./watch_nodes.ts";
import { watchRequest } from "./watch_request.ts";

/** The services, and what ends their subscription to the view. */
export function launcherServices(
  environment: Environment,
  engine: Engine,
): { services: RpcService[]; close: () => void } {
  const { view, clock, newUuid } = environment.context;
  const tell = (id: string): NodeChange => ({ id, entry: view.node(id) ?? null });
  const nodeFeed = new ChangeFeed({ tell, clock, epoch: newUuid() });
  const shared: Shared = { environment, engine, nodeFeed, creating: new Map() };
  const close = view.subscribe((change) => {
    if (change.kind === "node") nodeFeed.publish(change.id);
  });
  const read = <T>(call: () => Promise<T>) => answerInOutage(environment, call);
  const write = <T>(caller: AbortSignal, call: () => Promise<T>) =>
    writeWhenConnected(environment, call, caller);
  const nodes = rpcService(NodeServiceDefinition, {
    listNodes: (request) => listNodes(shared, request),
    getNode: (request) => read(() => getNode(shared, request)),
    watchNodes: (request, { signal }) => watchNodes(shared, request, signal),
    holdNode: (request, { signal }) => write(signal, () => holdNode(shared, request)),
    releaseNode: (request, { signal }) => write(signal, () => releaseNode(shared, request)),
    getConsoleLog: (request, { signal }) => read(() => getConsoleLog(shared, request, signal)),
    deleteNode: (request, { signal }) => write(signal, () => deleteNode(shared, request)),
  });
  const requests = rpcService(RequestServiceDefinition, {
    listRequests: (request) => listRequests(shared, request),
    getRequest: (request) => read(() => getRequest(shared, request)),
    createRequest: (request, call) => createRequest(shared, request, call),
    watchRequest: (request, { signal }) => watchRequest(shared, request, signal),
    renewRequest: (request, { signal }) => write(signal, () => renewRequest(shared, request)),
    updateRequest: (request, { signal }) => write(signal, () => updateRequest(shared, request)),
    releaseRequest: (request, call) => releaseRequest(shared, request, call),
    explain: (request) => read(() => explain(shared, request)),
  });
  const providers = rpcService(ProviderServiceDefinition, {
    listProviders: () => listProviders(shared),
    listAlienInstances: (request, call) => read(() => listAlienInstances(shared, request, call)),
    listAlienImages: (request, call) => read(() => listAlienImages(shared, request, call)),
    releaseBrake: (request) => releaseBrake(shared, request),
    eraseProviderData: (request, { signal }) =>
      write(signal, () => eraseProviderData(shared, request, signal)),
  });
  const components = rpcService(ComponentServiceDefinition, {
    listComponents: () => listComponents(shared),
  });
  return { services: [nodes, requests, providers, components], close };
}
