// Waits until a node that was launched can be reached, and reads its host keys from its machine, or confirms them where
// the machine was there before.
import type { NodeRecord } from "../../../lib/model/node.ts";
import type { Instance, Provider } from "../../../lib/provider/contract.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { Gate } from "../../../lib/std/gate.ts";
import { fingerprint, typesOf } from "../../../lib/std/host_key.ts";
import { withSpan } from "../../../lib/telemetry/trace.ts";
import { throughCheckpoints } from "../checkpoint.ts";
import { driverOf, type Environment } from "../environment.ts";
import { labelOf } from "../pool/served.ts";
import type { Launch } from "../state.ts";

/**
 * Nodes of one provider that are waited for at once, as with Nodepool: each takes a connection for each type of key, and
 * when none answers, all that are launched stand there.
 */
export const SCANS_AT_ONCE = 100;

const gates = new WeakMap<Provider, Gate>();

/** A node that is being launched, as the provider described it. */
interface Launched {
  readonly instance: Instance;
  readonly record: NodeRecord;
  readonly signal: AbortSignal;
}

/**
 * The node's host keys as "type base64"; null when its label wants none, or it is not reached by SSH: then something
 * listens at its port, unless its label does not want even that.
 *
 * The keys of a machine that others use already are known: one connection proves one of them. Asking for all types
 * again takes a connection for each, and an SSH server drops connections when many at once have not logged in, those
 * of the jobs on that machine among them.
 *
 * It may have to wait for its turn, see {@link SCANS_AT_ONCE}: boot-timeout begins afterwards.
 *
 * @throws {Error} that nothing answers, or a server with another key; the provider has been told of it then
 * @throws {ZooKeeperError} that the node is not ours any more, or that nobody can say so
 */
export async function readHostKeys(
  environment: Environment,
  launch: Launch,
  { instance, record, signal }: Launched,
): Promise<readonly string[] | null> {
  const settings = labelOf(launch.pool, launch.label);
  const isSsh = record.connectionType === "ssh" || record.connectionType === "network_cli";
  const host = record.interfaceIp;
  if (settings?.hostKeyChecking !== true || host === null) return null;
  const port = typeof record.connectionPort === "number" ? record.connectionPort : 22;
  const timeoutMs = launch.pool.provider.bootTimeout * 1000;
  const known = instance.host?.hostKeys ?? [];
  const [proof] = typesOf(known);
  const scan = async () => {
    const types = proof === undefined ? {} : { types: [proof] };
    const found = await environment.scanHostKeys({ host, port, timeoutMs, signal, ...types });
    return proof === undefined ? found : confirmed(known, found, `${host} port ${port}`);
  };
  const connect = async () => {
    await environment.reach({ host, port, timeoutMs, signal });
    return null;
  };
  const [span, read] = isSsh ? ["node.key_scan", scan] : ["node.connect", connect];
  const attributes = { "server.address": host, "server.port": port };
  const driver = driverOf(environment, record.provider);
  const readNow = () =>
    withSpan(span, { attributes }, () =>
      throughCheckpoints<readonly string[] | null>(environment.checkpoint, "node.scan", read),
    );
  try {
    return await (driver === undefined ? readNow() : gateOf(driver).pass(readNow, signal));
  } catch (error) {
    signal.throwIfAborted();
    if (driver?.noteUnreachable === undefined) throw error;
    // Whoever has slept past his session reaches nobody, and knows nothing of how the machine is now.
    await environment.context.session.multi([launch.lock.guard()]);
    await driver.noteUnreachable(instance.externalId, messageOf(error), signal);
    throw error;
  }
}

function gateOf(driver: Provider): Gate {
  const gate = gates.get(driver) ?? new Gate(SCANS_AT_ONCE);
  gates.set(driver, gate);
  return gate;
}

/** The known keys, if all that were found are among them. */
function confirmed(known: readonly string[], found: readonly string[], place: string): readonly string[] {
  const other = found.find((key) => !known.includes(key));
  if (other === undefined) return known;
  throw new Error(`the host key of ${place} has changed: it shows ${fingerprint(other)} now`);
}
