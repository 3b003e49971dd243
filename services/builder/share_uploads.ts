// Who of the uploads that could begin goes first, and how many of them one provider may have at once.
import { type Facts, isTroubled, partsOfKey, type UploadAction, type Waiting, waiting } from "./plan.ts";

/**
 * Uploads in the order in which they get workers: providers in turn, those with the fewest uploads under way first, and
 * of a provider first what has failed least. A provider has at most half of the workers while there are others, and one
 * when it takes no image: a slow or broken one leaves room for the rest.
 *
 * @param takers how many providers take images
 */
export function shareUploads(
  uploads: readonly UploadAction[],
  facts: Facts,
  takers: number,
): { readonly ordered: readonly UploadAction[]; readonly waits: readonly Waiting[] } {
  const load = loads(facts);
  const half = takers > 1 ? Math.ceil(facts.uploadWorkers / 2) : facts.uploadWorkers;
  const limit = (provider: string) => (isTroubled(facts.troubles.get(provider)) ? 1 : half);
  const failures = ({ key }: UploadAction) => facts.setbacks.get(key)?.failures ?? 0;
  const queues = Map.groupBy(uploads, ({ provider }) => provider);
  for (const [provider, queue] of queues) {
    queues.set(
      provider,
      queue.toSorted((a, b) => failures(a) - failures(b)),
    );
  }
  const ordered: UploadAction[] = [];
  while (true) {
    let best: string | undefined;
    for (const [provider, queue] of queues) {
      const used = load.get(provider) ?? 0;
      if (queue.length === 0 || used >= limit(provider)) continue;
      if (best === undefined || used < (load.get(best) ?? 0)) best = provider;
    }
    const next = best === undefined ? undefined : queues.get(best)?.shift();
    if (next === undefined) break;
    ordered.push(next);
    load.set(next.provider, (load.get(next.provider) ?? 0) + 1);
  }
  const waits = [...queues.values()].flat().map((upload) => {
    const share = `${upload.provider} has as many uploads at once as it may (${limit(upload.provider)})`;
    return waiting(upload, "workers-busy", `${upload.reason}; it waits: ${share}`);
  });
  return { ordered, waits };
}

/** Uploads under way, by provider. */
function loads({ running }: Facts): Map<string, number> {
  const load = new Map<string, number>();
  for (const key of running) {
    const { kind, provider } = partsOfKey(key);
    if (kind === "upload") load.set(provider, (load.get(provider) ?? 0) + 1);
  }
  return load;
}
