// nodepool console-log
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { nodeName } from "../resource.ts";

export const run: Command = async ({ clients, host, output }, [id = ""]) => {
  const { nodes } = await clients();
  const answer = await nodes.getConsoleLog({ name: nodeName(id) });
  if (output === "json") {
    host.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
    return EXIT.ok;
  }
  if (answer.truncated) host.stderr.write("the beginning is missing: this is the last megabyte\n");
  host.stdout.write(answer.text.endsWith("\n") || answer.text === "" ? answer.text : `${answer.text}\n`);
  return EXIT.ok;
};
