// nodepool build-log
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { untilInterrupted } from "../interrupt.ts";
import { buildName } from "../resource.ts";

/** Without -f, a running build's log ends when nothing more came for this long. */
const QUIET_MS = 1000;

export const run: Command = async ({ host, clock, clients }, [id = ""], { follow }) => {
  const name = buildName(id);
  const { images } = await clients();
  return untilInterrupted(host, async (interrupt) => {
    const quiet = new AbortController();
    const signal = AbortSignal.any([interrupt, quiet.signal]);
    let cancel = () => {};
    try {
      for await (const { text } of images.watchBuildLog({ name }, { signal })) {
        host.stdout.write(text);
        cancel();
        if (follow !== true) cancel = clock.after(QUIET_MS, () => quiet.abort());
      }
    } catch (error) {
      if (!quiet.signal.aborted) throw error;
    } finally {
      cancel();
    }
    return EXIT.ok;
  });
};
