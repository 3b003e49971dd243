import { parseRequestId, REQUEST_STATES } from "../../../lib/model/request.ts";
import { type FilterFields, parseFilter } from "../../../lib/rpc/filter.ts";
import type { ListRequestsRequest, ListRequestsResponse } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { paginate } from "../../../lib/rpc/page.ts";
import type { RequestEntry } from "../../../lib/zookeeper/view.ts";
import { toRequest } from "./request_message.ts";
import { currentView, type Shared } from "./shared.ts";
import { stateOfWord } from "./state_word.ts";

const FIELDS: FilterFields<RequestEntry> = {
  state: (value) => {
    const state = stateOfWord(value, REQUEST_STATES);
    return ({ record }) => record?.state === state;
  },
  label:
    (value) =>
    ({ record }) =>
      record?.nodeTypes.includes(value) === true,
  requestor:
    (value) =>
    ({ record }) =>
      record?.requestor === value,
  provider:
    (value) =>
    ({ record }) =>
      record?.provider === value,
  tenant:
    (value) =>
    ({ record }) =>
      record?.tenantName === value,
};

// Moves relative priorities, which may be negative, to where they sort as texts.
const OFFSET = 2 ** 50;

/** Requests in the order in which they are served, a page at a time. */
export async function listRequests(
  shared: Shared,
  request: ListRequestsRequest,
): Promise<ListRequestsResponse> {
  const fits = parseFilter(request.filter, FIELDS);
  const requests = [...currentView(shared).requests()].filter(fits);
  const toMessage = (entry: RequestEntry) => toRequest(shared, entry);
  const { page, nextPageToken } = paginate("requests", requests, orderOf, toMessage, request);
  return { requests: page, nextPageToken };
}

function orderOf({ id, record }: RequestEntry): string {
  const { priority, sequence } = parseRequestId(id) ?? { priority: id, sequence: "" };
  const relative = Math.trunc(record?.relativePriority ?? 0) + OFFSET;
  return `${priority} ${String(relative).padStart(17, "0")} ${sequence}`;
}
