// The filter of ListNodes and WatchNodes.
import { NODE_STATES } from "../../../lib/model/node.ts";
import { type FilterFields, parseFilter } from "../../../lib/rpc/filter.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { requestName } from "./node_message.ts";
import { stateOfWord } from "./state_word.ts";

const FIELDS: FilterFields<NodeEntry> = {
  state: (value) => {
    const state = stateOfWord(value, NODE_STATES);
    return ({ record }) => record?.state === state;
  },
  label:
    (value) =>
    ({ record }) =>
      record?.type.includes(value) === true,
  provider:
    (value) =>
    ({ record }) =>
      record?.provider === value,
  pool:
    (value) =>
    ({ record }) =>
      record?.pool === value,
  allocated_to: (value) => {
    const fits = (request: string) => request === value || requestName(request) === value;
    return ({ record }) => record?.allocatedTo != null && fits(record.allocatedTo);
  },
};

/** A predicate from FIELD = VALUE conditions. @throws INVALID_ARGUMENT */
export function nodeFilter(text: string): (entry: NodeEntry) => boolean {
  return parseFilter(text, FIELDS);
}
