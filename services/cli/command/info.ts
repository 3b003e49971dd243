// nodepool info
import { Upload } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { Node } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import type { Command, CommandContext } from "../context.ts";
import { CommandError, EXIT } from "../host.ts";
import { allPages } from "../output/show.ts";
import { formatTable } from "../output/table.ts";
import { imageParts, shortName } from "../resource.ts";
import { listUploads } from "./image_list.ts";

export const run: Command = async (context, [provider = ""]) => {
  const { host, output, clients } = context;
  const { nodes } = await clients();
  const [everywhere, running] = await Promise.all([
    listUploads(context),
    allPages(async (pageToken) => {
      const filter = `provider = ${JSON.stringify(provider)}`;
      const page = await nodes.listNodes({ filter, pageToken });
      return { items: page.nodes, nextPageToken: page.nextPageToken };
    }),
  ]);
  const uploads = everywhere.filter(({ name }) => imageParts(name).provider === provider);
  if (uploads.length + running.length === 0) await checkServed(context, provider);
  if (output === "json") {
    const all = { provider, uploads: uploads.map(Upload.toJSON), nodes: running.map(Node.toJSON) };
    host.stdout.write(`${JSON.stringify([all], null, 2)}\n`);
    return EXIT.ok;
  }
  host.stdout.write(`ZooKeeper data for provider ${provider}\n\nImage data:\n`);
  host.stdout.write(formatTable(["Image Name", "Build ID", "Upload IDs"], uploadRows(uploads)));
  host.stdout.write("\nNodes:\n");
  const rows = running.map(({ name, externalId }) => [shortName(name), externalId]);
  host.stdout.write(formatTable(["ID", "Server ID"], rows));
  return EXIT.ok;
};

/** Refuses a name of nothing: a provider that is new, or was emptied, has no records either. @throws {CommandError} */
async function checkServed({ clients }: CommandContext, provider: string): Promise<void> {
  const { components } = await (await clients()).components.listComponents({});
  if (components.some((component) => component.provider === `providers/${provider}`)) return;
  throw new CommandError(`nothing is recorded of provider '${provider}', and no launcher serves it`);
}

/** One row a build, with the ids of its uploads. */
function uploadRows(uploads: readonly Upload[]): string[][] {
  const rows = new Map<string, string[]>();
  for (const { name } of uploads) {
    const { image, build, upload } = imageParts(name);
    const key = `${image}/${build}`;
    const row = rows.get(key) ?? [image, build, ""];
    row[2] = row[2] === "" ? upload : `${row[2]},${upload}`;
    rows.set(key, row);
  }
  return [...rows.values()];
}
