// The filter of ListNodes and WatchNodes.
import { NODE_STATES } from "../../../lib/model/node.ts";
import { invalidArgument } from "../../../lib/rpc/errors.ts";
import { parseFilter } from "../../../lib/rpc/filter.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { isNodeState, isStateWord, requestName } from "./node_message.ts";

/** A predicate from FIELD = VALUE conditions. @throws INVALID_ARGUMENT */
export function nodeFilter(text: string): (entry: NodeEntry) => boolean {
  return parseFilter<NodeEntry>(text, {
    state: ({ record }, value) => {
      if (isNodeState(value)) return record !== null && isStateWord(record.state, value);
      throw invalidArgument("filter", `there is no state '${value}': expected ${NODE_STATES.join(", ")}`);
    },
    label: ({ record }, value) => record?.type.includes(value) === true,
    provider: ({ record }, value) => record?.provider === value,
    pool: ({ record }, value) => record?.pool === value,
    allocated_to: ({ record }, value) =>
      record?.allocatedTo != null &&
      (record.allocatedTo === value || requestName(record.allocatedTo) === value),
  });
}
