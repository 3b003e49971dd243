import type { ServiceContext } from "../../lib/daemon/types.ts";
import { encodeComponent, newComponent } from "../../lib/model/component.ts";
import { componentsPath } from "../../lib/model/paths.ts";
import { messageOf } from "../../lib/std/errors.ts";

/**
 * Says below /nodepool/components/builder that this builder runs, in each session anew. The returned function takes it
 * back.
 */
export async function registerBuilder(context: ServiceContext): Promise<() => Promise<void>> {
  const { session, logger, hostname, version } = context;
  const record = newComponent({ hostname, kind: "builder", state: "running", version });
  let registered: { path: string; session: bigint } | null = null;
  let closed = false;
  const register = async () => {
    const { sessionId } = session;
    if (closed || registered?.session === sessionId) return;
    await session.ensurePath(componentsPath("builder"));
    const prefix = `${componentsPath("builder")}/${hostname}`;
    const path = await session.create(prefix, encodeComponent(record), "ephemeral-sequential");
    registered = { path, session: sessionId };
  };
  const stopListening = session.onState((state) => {
    if (state !== "connected") return;
    register().catch((error: unknown) => {
      logger.warn("builder is not registered as a component", { error: messageOf(error) });
    });
  });
  await register();
  return async () => {
    closed = true;
    stopListening();
    if (registered !== null && session.state === "connected") {
      await session.delete(registered.path, -1).catch((error: unknown) => {
        logger.debug("component record stays until the session ends", { error: messageOf(error) });
      });
    }
  };
}
