// What is at the providers and in no record.
import type { Instance, Provider, ProviderImage } from "../../../lib/provider/contract.ts";
import { METADATA } from "../../../lib/provider/contract.ts";
import { timeToAnswer } from "../../../lib/rpc/call_limit.ts";
import { notFound } from "../../../lib/rpc/errors.ts";
import type {
  ListAlienImagesRequest,
  ListAlienImagesResponse,
  ListAlienInstancesRequest,
  ListAlienInstancesResponse,
} from "../../../lib/rpc/gen/nodepool/v1/provider.ts";
import { formatName, parseName } from "../../../lib/rpc/names.ts";
import { abortable } from "../../../lib/std/abortable.ts";
import { deadline } from "../../../lib/std/deadline.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { isKnown } from "../cleanup/compare.ts";
import type { Environment } from "../environment.ts";
import { recordedInstances, textOf, uploadsAt } from "../external_ids.ts";
import { currentView, type Shared } from "./shared.ts";
import type { WaitingCall } from "./wait.ts";

/** Instances that no node knows. @throws NOT_FOUND for an unknown provider, UNAVAILABLE */
export async function listAlienInstances(
  shared: Shared,
  request: ListAlienInstancesRequest,
  call: WaitingCall,
): Promise<ListAlienInstancesResponse> {
  const view = currentView(shared);
  const { items, problems } = await askEach(
    shared.environment,
    request.provider,
    call,
    async (driver, signal) => {
      const own = await driver.listInstances(signal);
      const foreign = (await driver.foreignInstances?.(signal)) ?? [];
      await view.settled();
      const recorded = recordedInstances(view, driver.name);
      const message = (instance: Instance, leaked: boolean) => ({
        provider: formatName("providers/{provider}", { provider: driver.name }),
        externalId: instance.externalId,
        displayName: instance.name,
        state: instance.state,
        leaked,
        node: instance.metadata[METADATA.node] ?? "",
        address: instance.interfaceIp ?? "",
      });
      return [
        ...own.filter((instance) => !isKnown(view, instance)).map((instance) => message(instance, true)),
        ...foreign
          .filter(({ externalId }) => !recorded.has(externalId))
          .map((instance) => message(instance, false)),
      ];
    },
  );
  return { instances: items, problems };
}

/** Images of ours that are no ready upload. @throws NOT_FOUND for an unknown provider, UNAVAILABLE */
export async function listAlienImages(
  shared: Shared,
  request: ListAlienImagesRequest,
  call: WaitingCall,
): Promise<ListAlienImagesResponse> {
  const view = currentView(shared);
  const { items, problems } = await askEach(
    shared.environment,
    request.provider,
    call,
    async (driver, signal) => {
      const images = await driver.listImages(signal);
      await view.settled();
      const ready = new Set(
        uploadsAt(view, driver.name).flatMap(({ record }) =>
          record?.state === "ready" ? [textOf(record.externalId)] : [],
        ),
      );
      return images
        .filter(({ externalId }) => !ready.has(externalId))
        .map(({ externalId, name }: ProviderImage) => ({
          provider: formatName("providers/{provider}", { provider: driver.name }),
          externalId,
          displayName: name,
        }));
    },
  );
  return { images: items, problems };
}

/** Who does not answer before the call has to be answered is a problem, as who answers with an error. */
async function askEach<Item extends { readonly displayName: string }>(
  environment: Environment,
  only: string,
  call: WaitingCall,
  ask: (driver: Provider, signal: AbortSignal) => Promise<Item[]>,
): Promise<{ items: Item[]; problems: string[] }> {
  const { config, providers, unserved, clock } = environment.context;
  const wanted = only === "" ? null : parseName("providers/{provider}", only).provider;
  if (wanted !== null && !config.providers.some(({ name }) => name === wanted)) {
    throw notFound("provider", only);
  }
  const isWanted = ({ name }: { readonly name: string }) => wanted === null || name === wanted;
  const problems = unserved.filter(isWanted).map(({ name, problem }) => `${name}: ${problem}`);
  const late = () => new Error("did not answer in time");
  const { signal, stop } = deadline(clock, timeToAnswer(call, clock), late, [call.signal]);
  const asked = await Promise.all(
    providers.filter(isWanted).map(async (driver) => {
      try {
        return await abortable(ask(driver, signal), signal);
      } catch (error) {
        problems.push(`${driver.name}: ${messageOf(error)}`);
        return [];
      }
    }),
  ).finally(stop);
  const items = asked.flatMap((list) => list.sort((a, b) => a.displayName.localeCompare(b.displayName)));
  return { items, problems };
}
