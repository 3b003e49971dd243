// nodepool explain
import { ExplainImageResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { ExplainResponse } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { formatTime } from "../../../lib/std/format_time.ts";
import type { Command, CommandContext } from "../context.ts";
import { CommandError, EXIT } from "../host.ts";
import { formatTable, printable } from "../output/table.ts";
import { imageName, labelName, nodeName, requestName, shortName } from "../resource.ts";

/** What can be explained: its name in the API, the command that lists it, and how a name of it is told from others. */
const KINDS = {
  request: { nameOf: requestName, list: "request-list", form: /^(nodeRequests\/.*|\d+-\d+)$/ },
  node: { nameOf: nodeName, list: "list", form: /^(nodes\/.*|\d+)$/ },
  label: { nameOf: labelName, list: null, form: /^labels\// },
  image: { nameOf: imageName, list: "image-status", form: /^images\// },
} as const;

type Kind = keyof typeof KINDS;

const isKind = (what: string): what is Kind => Object.hasOwn(KINDS, what);

export const run: Command = async (context, [what = "", id = ""]) => {
  const { host } = context;
  if (!isKind(what)) {
    host.stderr.write(`nodepool explain: '${what}' is none of ${Object.keys(KINDS).join(", ")}\n`);
    return EXIT.usage;
  }
  try {
    return what === "image"
      ? await explainImage(context, id)
      : await explain(context, KINDS[what].nameOf(id));
  } catch (error) {
    const remedy = remedyOf(error, what, id);
    if (remedy === null || !(error instanceof Error)) throw error;
    throw new CommandError(`${error.message}; ${remedy}`);
  }
};

/** What to do about a name of nothing; null for other errors. */
function remedyOf(error: unknown, what: Kind, id: string): string | null {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code !== "NOT_FOUND" && code !== "INVALID_ARGUMENT") return null;
  const meant = Object.keys(KINDS).find((kind) => isKind(kind) && KINDS[kind].form.test(id));
  if (meant !== undefined && meant !== what) {
    return `'${id}' looks like a ${meant}'s: nodepool explain ${meant} ${id}`;
  }
  const { list } = KINDS[what];
  return list === null ? null : `nodepool ${list} shows those that there are`;
}

async function explain({ host, output, clients }: CommandContext, name: string): Promise<number> {
  const { requests } = await clients();
  const explanation = await requests.explain({ name });
  if (output === "json") {
    host.stdout.write(`${JSON.stringify(ExplainResponse.toJSON(explanation), null, 2)}\n`);
    return EXIT.ok;
  }
  const { summary, pools, requestsBefore, firstBefore, facts } = explanation;
  const lines = [summary, ...facts.map((fact) => `  ${fact}`)];
  if (requestsBefore !== undefined) {
    const first = firstBefore.map(shortName).join(", ");
    const more = requestsBefore > firstBefore.length ? ", ..." : "";
    const who = requestsBefore === 1 ? "1 request goes" : `${requestsBefore || "no"} requests go`;
    lines.push(`  ${who} before it${first === "" ? "" : `: ${first}${more}`}`);
  }
  host.stdout.write(`${lines.map(printable).join("\n")}\n`);
  if (pools.length > 0) {
    const rows = pools.map(({ provider, pool, verdict, reason, remedy }) => [
      `${provider}/${pool}`,
      verdict.replace("VERDICT_", "").toLowerCase().replaceAll("_", " "),
      reason.replace(`${provider}/${pool}: `, ""),
      remedy,
    ]);
    host.stdout.write(formatTable(["Pool", "Verdict", "Why", "What would have to change"], rows));
  }
  return EXIT.ok;
}

/** What the builder has decided on an image. */
async function explainImage({ host, output, clients }: CommandContext, id: string): Promise<number> {
  const { images } = await clients();
  const explanation = await images.explainImage({ name: imageName(id) });
  if (output === "json") {
    host.stdout.write(`${JSON.stringify(ExplainImageResponse.toJSON(explanation), null, 2)}\n`);
    return EXIT.ok;
  }
  const { image, decisions } = explanation;
  const lines = [image?.reason || "nothing is asked of it"];
  if (image?.paused) lines.push("  it is paused");
  if (image?.lastError) lines.push(`  last error: ${image.lastError}`);
  host.stdout.write(`${lines.map(printable).join("\n")}\n`);
  const rows = decisions.map(({ action, acting, subject, provider, reason, nextTime }) => [
    action.replace("ACTION_", "").toLowerCase().replaceAll("_", " "),
    subject.replace(/^images\//, ""),
    provider,
    acting ? "yes" : "no",
    reason,
    // As in the reason, which names the same time.
    nextTime === undefined ? "" : formatTime(nextTime.getTime() / 1000),
  ]);
  host.stdout.write(formatTable(["Action", "Of", "Provider", "Done", "Why", "Looked At Again"], rows));
  return EXIT.ok;
}
