// nodepool erase
import { createInterface } from "node:readline/promises";
import type { Command } from "../context.ts";
import { CommandError, EXIT } from "../host.ts";
import { providerName } from "../resource.ts";

export const run: Command = async ({ host, clients }, [provider = ""], { force }) => {
  if (force !== true) {
    host.stderr.write(`Erase ZooKeeper data for provider ${provider}? [N/y] `);
    const answer = await firstLine(host.stdin);
    // What is typed at a terminal ends the line of the question by itself.
    if (answer === null || Reflect.get(host.stdin, "isTTY") !== true) host.stderr.write("\n");
    if (!/^y(es)?$/i.test(answer ?? "")) {
      throw new CommandError("nothing was erased; --force erases without asking");
    }
  }
  const { providers } = await clients();
  const { erasedNodes, erasedUploads, kept } = await providers.eraseProviderData({
    name: providerName(provider),
  });
  host.stderr.write(`erased the records of ${erasedNodes} nodes and ${erasedUploads} uploads\n`);
  for (const name of kept) host.stderr.write(`${name} is locked: its record was kept\n`);
  return kept.length === 0 ? EXIT.ok : EXIT.failed;
};

/** What is answered; null when there is nobody to answer. */
async function firstLine(input: NodeJS.ReadableStream): Promise<string | null> {
  const lines = createInterface({ input });
  try {
    for await (const line of lines) return line.trim();
    return null;
  } finally {
    lines.close();
  }
}
