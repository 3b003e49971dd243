// nodepool explain
import { ExplainImageResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { ExplainResponse } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { formatTable, printable } from "../output/table.ts";
import { imageName, labelName, nodeName, requestName, shortName } from "../resource.ts";

export const run: Command = async (context, [what = "", id = ""]) => {
  const { host, output } = context;
  if (what === "image") return await explainImage(context, id);
  const names: Readonly<Record<string, (id: string) => string>> = {
    request: requestName,
    node: nodeName,
    label: labelName,
  };
  const nameOf = Object.hasOwn(names, what) ? names[what] : undefined;
  if (nameOf === undefined) {
    host.stderr.write(`nodepool explain: '${what}' is none of request, node, label, image\n`);
    return EXIT.usage;
  }
  const { requests } = await context.clients();
  const explanation = await requests.explain({ name: nameOf(id) });
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
};

/** What the builder has decided on an image. */
async function explainImage({ host, output, clients }: Parameters<Command>[0], id: string): Promise<number> {
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
    nextTime?.toISOString().replace(/\.\d+Z$/, "Z") ?? "",
  ]);
  host.stdout.write(formatTable(["Action", "Of", "Provider", "Done", "Why", "Looked At Again"], rows));
  return EXIT.ok;
}
