// Two launchers of which one goes first: the other serves what the first cannot.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeProvider } from "../harness/fake_provider.ts";
import { putImage, until } from "../harness/launcher.ts";
import { ask, fulfilled, type LauncherCase, untilStates } from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";

describe("a launcher whose pool comes after that of another", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  const launcherOf = (provider: string, priority: number, minReady: number) =>
    one.launcher({
      labels: { small: { minReady } },
      providers: [
        {
          driver: new FakeProvider(provider),
          pools: [{ name: "main", offers: ["small"], maxServers: 1, priority }],
        },
      ],
    });

  it("serves a request whose image is missing at the first", async () => {
    one = await cases.begin("second");
    const first = await launcherOf("first", 1, 0);
    await launcherOf("second", 2, 0);
    const [node] = await fulfilled(first, await ask(first, ["small"]));
    assert.equal(node?.provider, "second");
  });

  it("serves a request whose image is missing at the provider that it prefers, and leaves it the others", async () => {
    one = await cases.begin("second");
    const first = await launcherOf("first", 1, 0);
    const second = await launcherOf("second", 1, 0);
    const [node] = await fulfilled(second, await ask(second, ["small"], { provider: "first" }));
    assert.equal(node?.provider, "second");
    const said = () => Array.from(second.view.pools(), ({ record }) => record?.extra.unable);
    await until("the first says no more of it", () => said().every((labels) => labels === undefined));
    await putImage(await one.session(), ["first"]);
    const [own] = await fulfilled(first, await ask(first, ["small"], { provider: "first" }));
    assert.equal(own?.provider, "first");
  });

  it("launches the nodes for min-ready that the first has no room for", async () => {
    one = await cases.begin("first", "second");
    const first = await launcherOf("first", 1, 2);
    await launcherOf("second", 2, 2);
    await untilStates(first, "ready", "ready");
    const places = Array.from(first.view.nodes(), ({ record }) => record?.provider);
    assert.deepEqual(places.sort(), ["first", "second"]);
  });
});
