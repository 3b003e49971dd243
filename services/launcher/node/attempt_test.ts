import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { node, pool } from "../../../test/harness/world.ts";
import type { Environment } from "../environment.ts";
import type { LaunchImage } from "../pool/image.ts";
import type { Launch } from "../state.ts";
import { createInstance } from "./attempt.ts";

describe("a launch at a provider that is not served any more", () => {
  it("is refused for good", async () => {
    const { record } = node("0001", "building");
    const launch = { node: "0001", label: "small", pool: pool("cloud/main", ["small"]), record } as Launch;
    const environment = { context: { providers: [] } } as unknown as Environment;
    const { signal } = new AbortController();
    await assert.rejects(
      createInstance(environment, launch, {} as LaunchImage, async () => {}, signal),
      {
        name: "NotFoundError",
        message: "label 'small' cannot be launched: provider 'cloud' is not served any more",
      },
    );
  });
});
