import assert from "node:assert/strict";
import { test } from "node:test";
import { newNode } from "../../../lib/model/node.ts";
import { held } from "./return.ts";

test("who holds a held node without an expiry lifts the one that it had", () => {
  const ready = newNode(0, { provider: "cloud", pool: "main", type: ["small"], state: "ready" });
  const once = held(ready, { reason: "look at it", expireSeconds: 600 }, 0);
  const again = held(once, { reason: "", expireSeconds: 0 }, 300);
  assert.equal(again.holdExpiration, null);
});
