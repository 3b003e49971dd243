import assert from "node:assert/strict";
import { test } from "node:test";
import type { Provider } from "../../../lib/provider/contract.ts";
import { manualClock } from "../../../lib/zookeeper/contract/manual_clock.ts";
import { listAlienImages, listAlienInstances } from "./list_aliens.ts";
import type { Shared } from "./shared.ts";

/** A launcher with a provider that answers at once and one that never does, whatever becomes of its signal. */
function launcherOfTwo() {
  const { clock, advance } = manualClock();
  const alien = { externalId: "1", name: "theirs", state: "running", metadata: {}, interfaceIp: null };
  const provider = (name: string, list: () => Promise<unknown[]>) =>
    ({ name, listInstances: list, listImages: list }) as unknown as Provider;
  const providers = [provider("good", async () => [alien]), provider("stuck", () => new Promise(() => {}))];
  const view = { current: true, settled: async () => {}, nodes: () => [], images: () => [], node: () => {} };
  const config = { providers };
  const context = { view, clock, config, providers, unserved: [] };
  const shared = { environment: { context } } as unknown as Shared;
  const call = {
    signal: new AbortController().signal,
    draining: new AbortController().signal,
    deadline: clock.now() + 15_000,
  };
  return { shared, call, advance };
}

const lists = {
  instances: async ({ shared, call }: ReturnType<typeof launcherOfTwo>) => {
    const { instances, problems } = await listAlienInstances(shared, { provider: "" }, call);
    return { found: instances, problems };
  },
  images: async ({ shared, call }: ReturnType<typeof launcherOfTwo>) => {
    const { images, problems } = await listAlienImages(shared, { provider: "" }, call);
    return { found: images, problems };
  },
};

for (const [what, list] of Object.entries(lists)) {
  test(`a provider that does not answer before the deadline hides no ${what} of others`, async () => {
    const launcher = launcherOfTwo();
    const answer = list(launcher);
    await new Promise((resolve) => setImmediate(resolve));
    launcher.advance(14_900);
    const { found, problems } = await answer;
    assert.deepEqual(
      found?.map(({ displayName }) => displayName),
      ["theirs"],
    );
    assert.deepEqual(problems, ["stuck: did not answer in time"]);
  });
}
