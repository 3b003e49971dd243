// A state that a filter names and that does not exist is refused, also where nothing is there to be looked at.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { listNodes } from "./list_nodes.ts";
import { listRequests } from "./list_requests.ts";
import type { Shared } from "./shared.ts";
import { stateOfWord } from "./state_word.ts";
import { watchNodes } from "./watch_nodes.ts";

const view = { current: true, nodes: () => [], requests: () => [] };
const nothing = { environment: { context: { view } } } as unknown as Shared;

describe("a state in a filter", () => {
  it("may be written as the API has it, shortly, or as Nodepool has it", () => {
    for (const word of ["STATE_IN_USE", "IN_USE", "in-use"]) {
      assert.equal(stateOfWord(word, ["ready", "in-use"]), "in-use");
    }
  });

  const refusal = /filter: there is no state 'LOST': expected \w+/;
  for (const filter of ["state = LOST", "label = none AND state = LOST"]) {
    const page = { pageSize: 0, pageToken: "", filter };

    it(`is refused when there is none of that name: ${filter}`, async () => {
      await assert.rejects(listNodes(nothing, page), refusal);
      await assert.rejects(listRequests(nothing, page), refusal);
      const watch = watchNodes(nothing, { filter, resumeToken: "" }, new AbortController().signal);
      await assert.rejects(watch.next(), refusal);
    });
  }
});
