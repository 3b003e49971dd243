import assert from "node:assert/strict";
import { it } from "node:test";
import type { NextConfig, Service } from "../../lib/daemon/types.ts";
import { together } from "./together.ts";

const NEXT = {} as NextConfig;

function service(more: Partial<Service>): Service {
  return { rpc: [], stop: async () => {}, ...more };
}

it("does not ask the second service when the first one refuses a configuration", async () => {
  let asked = false;
  const both = together([
    service({ reconfigure: () => Promise.reject(new Error("no images-dir")) }),
    service({
      reconfigure: async () => {
        asked = true;
        return { released: Promise.resolve() };
      },
    }),
  ]);
  await assert.rejects(both.reconfigure(NEXT), /no images-dir/);
  assert.equal(asked, false);
});

it("keeps providers until no service uses them any more", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const taking = (released: Promise<void>) => service({ reconfigure: async () => ({ released }) });
  const { released } = await together([taking(promise), taking(Promise.resolve())]).reconfigure(NEXT);
  let isOver = false;
  const over = released.then(() => {
    isOver = true;
  });
  await new Promise(setImmediate);
  assert.equal(isOver, false);
  resolve();
  await over;
});
