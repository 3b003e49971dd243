import assert from "node:assert/strict";
import { it } from "node:test";
import type { NextConfig, Service } from "../../lib/daemon/types.ts";
import { together } from "./together.ts";

const NEXT = {} as NextConfig;

function service(more: Partial<Service>): Service {
  return { rpc: [], stop: async () => {}, ...more };
}

it("has no service take a configuration that another one refuses", async () => {
  let taken = false;
  const both = together([
    service({
      reconfigure: async () => {
        taken = true;
        return { released: Promise.resolve() };
      },
    }),
    service({ admit: () => Promise.reject(new Error("ZooKeeper did not answer")) }),
  ]);
  await assert.rejects(both.reconfigure(NEXT), /ZooKeeper did not answer/);
  assert.equal(taken, false);
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
