// Clients of a launcher and a builder. Channels connect on the first call.
import { Channel, type ChannelOptions, credentials } from "@grpc/grpc-js";
import { type Client, createClientFactory } from "nice-grpc";
import { errorDetailsClientMiddleware } from "nice-grpc-error-details";
import { type Clock, systemClock } from "../std/clock.ts";
import { parseAddress } from "./address.ts";
import { clientCallMiddleware, type DeadlineOptions } from "./client_call.ts";
import { ComponentServiceDefinition } from "./gen/nodepool/v1/component.ts";
import { ConfigServiceDefinition } from "./gen/nodepool/v1/config.ts";
import { ImageServiceDefinition } from "./gen/nodepool/v1/image.ts";
import { NodeServiceDefinition } from "./gen/nodepool/v1/node.ts";
import { ProviderServiceDefinition } from "./gen/nodepool/v1/provider.ts";
import { RequestServiceDefinition } from "./gen/nodepool/v1/request.ts";

// Calls that change nothing, and CreateRequest and RenewRequest, which may be repeated: these are tried again when
// a server is unavailable. Streams are not: whoever reads one decides where to go on.
const REPEATABLE: readonly { readonly service: string; readonly method?: string }[] = [
  { service: "nodepool.v1.NodeService", method: "ListNodes" },
  { service: "nodepool.v1.NodeService", method: "GetNode" },
  { service: "nodepool.v1.RequestService", method: "ListRequests" },
  { service: "nodepool.v1.RequestService", method: "GetRequest" },
  { service: "nodepool.v1.RequestService", method: "CreateRequest" },
  { service: "nodepool.v1.RequestService", method: "RenewRequest" },
  { service: "nodepool.v1.RequestService", method: "ReleaseRequest" },
  { service: "nodepool.v1.ImageService", method: "ListImages" },
  { service: "nodepool.v1.ImageService", method: "ListBuilds" },
  { service: "nodepool.v1.ImageService", method: "ListUploads" },
  { service: "nodepool.v1.ProviderService" },
  { service: "nodepool.v1.ComponentService" },
  { service: "nodepool.v1.ConfigService" },
];

const SERVICE_CONFIG = {
  loadBalancingConfig: [],
  methodConfig: [
    {
      name: REPEATABLE,
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: "0.1s",
        maxBackoff: "1s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
};

const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.service_config": JSON.stringify(SERVICE_CONFIG),
  "grpc.service_config_disable_resolution": 1,
  "grpc.enable_http_proxy": 0,
  // Whoever makes clients twice wants two connections: each has room for a limited number of calls.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.max_reconnect_backoff_ms": 5000,
  "grpc.initial_reconnect_backoff_ms": 200,
};

/** Where the servers are, and how to call them. */
export interface ConnectOptions {
  readonly launcherAddress: string;
  readonly builderAddress: string;
  /** Milliseconds that a unary call may take unless it says otherwise (`deadlineMs`). @default 15000 */
  readonly deadlineMs?: number;
  readonly clock?: Clock;
}

/** A client of each service. Their calls reject with `ClientError`, or with the reason of an aborted signal. */
export interface Clients {
  readonly nodes: Client<typeof NodeServiceDefinition, DeadlineOptions>;
  readonly requests: Client<typeof RequestServiceDefinition, DeadlineOptions>;
  readonly providers: Client<typeof ProviderServiceDefinition, DeadlineOptions>;
  readonly components: Client<typeof ComponentServiceDefinition, DeadlineOptions>;
  readonly images: Client<typeof ImageServiceDefinition, DeadlineOptions>;
  /** The configuration of the launcher, and that of the builder. */
  readonly launcherConfig: Client<typeof ConfigServiceDefinition, DeadlineOptions>;
  readonly builderConfig: Client<typeof ConfigServiceDefinition, DeadlineOptions>;
  /** Closes the connections; calls under way fail. */
  close(): void;
}

/** Makes the clients. @throws {AddressError} when an address cannot be one */
export function connectClients(options: ConnectOptions): Clients {
  const launcher = connect("the launcher", options.launcherAddress, options);
  const builder = connect("the builder", options.builderAddress, options);
  return {
    nodes: launcher.factory.create(NodeServiceDefinition, launcher.channel),
    requests: launcher.factory.create(RequestServiceDefinition, launcher.channel),
    providers: launcher.factory.create(ProviderServiceDefinition, launcher.channel),
    components: launcher.factory.create(ComponentServiceDefinition, launcher.channel),
    images: builder.factory.create(ImageServiceDefinition, builder.channel),
    launcherConfig: launcher.factory.create(ConfigServiceDefinition, launcher.channel),
    builderConfig: builder.factory.create(ConfigServiceDefinition, builder.channel),
    close: () => {
      launcher.channel.close();
      builder.channel.close();
    },
  };
}

function connect(kind: string, address: string, options: ConnectOptions) {
  const channel = new Channel(parseAddress(address), credentials.createInsecure(), CHANNEL_OPTIONS);
  // The first middleware is the innermost.
  const factory = createClientFactory()
    .use(errorDetailsClientMiddleware)
    .use(
      clientCallMiddleware({
        peer: { kind, address },
        clock: options.clock ?? systemClock,
        defaultDeadlineMs: options.deadlineMs ?? 15_000,
      }),
    );
  return { channel, factory };
}
