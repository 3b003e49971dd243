import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeProvider } from "../../../test/harness/fake_provider.ts";
import { node, pool } from "../../../test/harness/world.ts";
import type { Environment } from "../environment.ts";
import type { Launch } from "../state.ts";
import { createInstance } from "./attempt.ts";

describe("what a launch says that cannot be made any more", () => {
  /** The error of a launch of `small` at a pool with these labels. */
  async function refusal(labels: string[], providers: readonly string[]): Promise<string> {
    const { record } = node("0001", "building");
    const view = { image: () => undefined };
    const context = { view, providers: providers.map((name) => new FakeProvider(name)) };
    const launch = { node: "0001", label: "small", pool: pool("cloud/main", labels), record } as Launch;
    const { signal } = new AbortController();
    const launching = createInstance({ context } as unknown as Environment, launch, signal, async () => {});
    return launching.then(() => assert.fail("it was launched"), String);
  }

  it("is which of provider, label and image is gone", async () => {
    assert.match(await refusal(["small"], []), /: provider 'cloud' is not served any more$/);
    assert.match(await refusal(["large"], ["cloud"]), /: it is not in the pool any more$/);
    assert.match(await refusal(["small"], ["cloud"]), /: its image is not at the provider any more$/);
  });
});
