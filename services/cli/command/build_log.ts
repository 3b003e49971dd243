// nodepool build-log
import type { Clients } from "../../../lib/rpc/client.ts";
import type { Command, CommandContext } from "../context.ts";
import { CommandError, EXIT } from "../host.ts";
import { untilInterrupted } from "../interrupt.ts";
import { Outage } from "../outage.ts";
import { allPages } from "../output/show.ts";
import { buildName, imageName } from "../resource.ts";

/** Without -f, a running build's log ends when nothing more came for this long after the first piece, which comes at once. */
const QUIET_MS = 1000;

/** What ends like this is a build: 32 hex digits, or ten digits in old data. What does not is an image. */
const BUILD = /[-/]([0-9a-f]{32}|\d{10})$/;

async function newestBuild(images: Clients["images"], image: string): Promise<string> {
  const parent = imageName(image);
  const { attempts } = await images.listBuildHistory({ parent, pageSize: 1 });
  if (attempts[0] !== undefined) return attempts[0].name;
  // Builds of Python Nodepool, and those that were imported, are in no history.
  const builds = await allPages(async (pageToken) => {
    const page = await images.listBuilds({ parent, pageToken });
    return { items: page.builds, nextPageToken: page.nextPageToken };
  });
  const newest = builds.at(-1)?.name;
  if (newest === undefined) throw new CommandError(`image ${image} has no build, and none in its history`);
  return newest;
}

export const run: Command = async (context, [id = ""], { follow }) => {
  const { host, clock, clients } = context;
  const { images } = await clients();
  const name = BUILD.test(id) ? buildName(id) : await newestBuild(images, id);
  return untilInterrupted(host, async (interrupt) => {
    if (follow === true) {
      for await (const text of followed(context, name, interrupt)) host.stdout.write(text);
      return EXIT.ok;
    }
    const quiet = new AbortController();
    const signal = AbortSignal.any([interrupt, quiet.signal]);
    let cancel = () => {};
    try {
      for await (const { text } of images.watchBuildLog({ name }, { signal })) {
        host.stdout.write(text);
        cancel();
        cancel = clock.after(QUIET_MS, () => quiet.abort());
      }
    } catch (error) {
      if (!quiet.signal.aborted) throw error;
    } finally {
      cancel();
    }
    return EXIT.ok;
  });
};

/** The log to its end. A stream that is cut off, as a long build outlives its connection, goes on where it was. */
async function* followed(
  context: CommandContext,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<string, void, void> {
  const { images } = await context.clients();
  const outage = new Outage(context);
  let answered = false;
  let shown = 0;
  while (true) {
    let seen = 0;
    try {
      for await (const { text } of images.watchBuildLog({ name }, { signal })) {
        outage.over();
        answered = true;
        const fresh = text.slice(Math.max(0, shown - seen));
        seen += text.length;
        shown = Math.max(shown, seen);
        if (fresh !== "") yield fresh;
      }
      return;
    } catch (error) {
      if (!answered) throw error;
      await outage.tryAgain(error, signal);
    }
  }
}
