// nodepool explain
import { ExplainResponse } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { formatTable, printable } from "../output/table.ts";
import { labelName, nodeName, requestName, shortName } from "../resource.ts";

export const run: Command = async (context, [what = "", id = ""]) => {
  const { host, output } = context;
  if (what === "image") return await explainImage(context, id);
  const names: Readonly<Record<string, (id: string) => string>> = {
    request: requestName,
    node: nodeName,
    label: labelName,
  };
  const nameOf = names[what];
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
    lines.push(`  ${requestsBefore} requests go before it${first === "" ? "" : `: ${first}${more}`}`);
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

/** What is asked of an image the builder knows. */
async function explainImage(context: Parameters<Command>[0], id: string): Promise<number> {
  const { host } = context;
  const { images } = await context.clients();
  const found = (await images.listImages({})).images.find(({ name }) => shortName(name) === id);
  if (found === undefined) {
    host.stderr.write(`nodepool explain: there is no image '${id}'\n`);
    return EXIT.failed;
  }
  const { reason, lastError, paused } = found;
  const facts = [
    ...(paused ? ["it is paused"] : []),
    ...(lastError === "" ? [] : [`last error: ${lastError}`]),
  ];
  if (context.output === "json")
    host.stdout.write(`${JSON.stringify({ summary: reason, facts }, null, 2)}\n`);
  else
    host.stdout.write(
      `${[reason || "nothing is asked of it", ...facts.map((fact) => `  ${fact}`)].map(printable).join("\n")}\n`,
    );
  return EXIT.ok;
}
