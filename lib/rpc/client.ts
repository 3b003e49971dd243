// Clients of a launcher and a builder. Channels connect on the first call.
import { randomUUID } from "node:crypto";
import { Channel, type ChannelOptions, credentials } from "@grpc/grpc-js";
import {
  type Client,
  type CompatServiceDefinition,
  createClientFactory,
  type DefaultCallOptions,
  type NormalizedServiceDefinition,
  Status,
} from "nice-grpc";
import { type RetryOptions, retryMiddleware } from "nice-grpc-client-middleware-retry";
import { errorDetailsClientMiddleware } from "nice-grpc-error-details";
import { type Clock, systemClock } from "../std/clock.ts";
import { parseAddress } from "./address.ts";
import { attemptMiddleware, clientCallMiddleware, type DeadlineOptions } from "./client_call.ts";
import { LONGEST_SECONDS, secondsOf } from "./duration.ts";
import type { DeepPartial, Duration } from "./gen/google/protobuf/duration.ts";
import { ComponentServiceDefinition } from "./gen/nodepool/v1/component.ts";
import { ConfigServiceDefinition } from "./gen/nodepool/v1/config.ts";
import { ImageServiceDefinition } from "./gen/nodepool/v1/image.ts";
import { NodeServiceDefinition } from "./gen/nodepool/v1/node.ts";
import { ProviderServiceDefinition } from "./gen/nodepool/v1/provider.ts";
import { RequestServiceDefinition } from "./gen/nodepool/v1/request.ts";
import { proxyAnswerMiddleware } from "./proxy_answer.ts";

/**
 * How a call is made that changes nothing or may be repeated: it is tried again while no server is available. Not by
 * gRPC's own retries, which take the HTTP status of a proxy for the server's answer. Streams are not: whoever reads one
 * decides where to go on.
 */
const REPEATED: RetryOptions = {
  retry: true,
  retryMaxAttempts: 3,
  retryBaseDelayMs: 100,
  retryMaxDelayMs: 1000,
  retryableStatuses: [Status.UNAVAILABLE],
};

const DEADLINE_MS = 15_000;

/** What takes longer: a provider that may be slow or down has to answer, or there is much to be written. */
const PATIENT = { ...REPEATED, deadlineMs: 60_000 };

/** A daemon that takes another configuration tries each new provider for ten seconds and a call more. */
const RELOADED = { ...REPEATED, deadlineMs: 90_000 };

const CHANNEL_OPTIONS: ChannelOptions = {
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
  /** Milliseconds that a unary call may take unless it says otherwise (`deadlineMs`) or is one that takes longer. @default 15000 */
  readonly deadlineMs?: number;
  readonly clock?: Clock;
}

/** What a call may be given besides what nice-grpc knows. */
type CallOptions = RetryOptions & DeadlineOptions;

/** A client of each service. Their calls reject with `ClientError`, or with the reason of an aborted signal. */
export interface Clients {
  readonly nodes: Client<typeof NodeServiceDefinition, CallOptions>;
  readonly requests: Client<typeof RequestServiceDefinition, CallOptions>;
  readonly providers: Client<typeof ProviderServiceDefinition, CallOptions>;
  readonly components: Client<typeof ComponentServiceDefinition, CallOptions>;
  readonly images: Client<typeof ImageServiceDefinition, CallOptions>;
  /** The configuration of the launcher, and that of the builder. */
  readonly launcherConfig: Client<typeof ConfigServiceDefinition, CallOptions>;
  readonly builderConfig: Client<typeof ConfigServiceDefinition, CallOptions>;
  /** Closes the connections; calls under way fail. */
  close(): void;
}

/** Makes the clients. @throws {AddressError} when an address cannot be one */
export function connectClients(options: ConnectOptions): Clients {
  const launcher = connect("the launcher", options.launcherAddress, options);
  const builder = connect("the builder", options.builderAddress, options);
  return {
    nodes: launcher.make(NodeServiceDefinition, {
      listNodes: REPEATED,
      getNode: REPEATED,
      getConsoleLog: PATIENT,
    }),
    requests: withRequestDefaults(
      launcher.make(RequestServiceDefinition, {
        listRequests: REPEATED,
        getRequest: REPEATED,
        createRequest: REPEATED,
        renewRequest: REPEATED,
        releaseRequest: REPEATED,
        explain: REPEATED,
      }),
      options.deadlineMs ?? DEADLINE_MS,
    ),
    providers: launcher.make(ProviderServiceDefinition, {
      "*": REPEATED,
      listAlienInstances: PATIENT,
      listAlienImages: PATIENT,
      eraseProviderData: PATIENT,
    }),
    components: launcher.make(ComponentServiceDefinition, { "*": REPEATED }),
    images: builder.make(ImageServiceDefinition, {
      listImages: REPEATED,
      listBuilds: REPEATED,
      listUploads: REPEATED,
      listBuildHistory: REPEATED,
      explainImage: REPEATED,
    }),
    launcherConfig: launcher.make(ConfigServiceDefinition, { "*": REPEATED, reloadConfig: RELOADED }),
    builderConfig: builder.make(ConfigServiceDefinition, { "*": REPEATED, reloadConfig: RELOADED }),
    close: () => {
      launcher.channel.close();
      builder.channel.close();
    },
  };
}

/**
 * Without an id of its own a request would be made twice when the answer to the first call is lost. A call that is to wait
 * has that time, too.
 */
function withRequestDefaults(requests: Clients["requests"], deadlineMs: number): Clients["requests"] {
  const { createRequest, releaseRequest } = requests;
  const waiting = <Options extends DeadlineOptions>(
    { waitDuration }: { waitDuration?: DeepPartial<Duration> | undefined },
    options: Options | undefined,
  ) => {
    const wait = secondsOf(waitDuration ?? {});
    // What is out of range is for the launcher to refuse: no deadline may come before its answer.
    const more = wait >= 0 && wait <= LONGEST_SECONDS ? wait * 1000 : 0;
    return { ...options, deadlineMs: options?.deadlineMs ?? deadlineMs + more };
  };
  return {
    ...requests,
    createRequest: (call, options) =>
      createRequest({ ...call, requestId: call.requestId || randomUUID() }, waiting(call, options)),
    releaseRequest: (call, options) => releaseRequest(call, waiting(call, options)),
  };
}

function connect(kind: string, address: string, options: ConnectOptions) {
  const channel = new Channel(parseAddress(address), credentials.createInsecure(), CHANNEL_OPTIONS);
  const clock = options.clock ?? systemClock;
  // The first middleware is the innermost.
  const factory = createClientFactory()
    .use(attemptMiddleware(clock))
    .use(proxyAnswerMiddleware)
    .use(errorDetailsClientMiddleware)
    .use(retryMiddleware)
    .use(
      clientCallMiddleware({
        peer: { kind, address },
        clock,
        defaultDeadlineMs: options.deadlineMs ?? DEADLINE_MS,
      }),
    );
  const make = <Service extends CompatServiceDefinition>(
    definition: Service,
    defaults: DefaultCallOptions<NormalizedServiceDefinition<Service>, CallOptions>,
  ): Client<Service, CallOptions> => factory.create(definition, channel, defaults);
  return { channel, make };
}
