// The services of the OpenStack under test as processes: stopped, started again, and held still.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { until } from "../../harness/launcher.ts";
import { PROJECT, runCommand } from "../../harness/program.ts";

/** The folder with the cloud's state; its clouds.yaml lies there too. */
const STATE = process.env.NODEPOOL_TEST_OPENSTACK ?? "";

/** Each service is a process group whose leader's id is in run/NAME.pid. */
async function groupOf(service: string): Promise<number> {
  const [pid] = (await readFile(join(STATE, "run", `${service}.pid`), "utf8")).split(" ");
  const group = Number(pid);
  if (!(group > 1)) throw new Error(`${service} has no process`);
  return group;
}

/** Sends a signal to services, as rabbitmq, nova-api, neutron-server. */
export async function signalServices(signal: NodeJS.Signals, ...services: readonly string[]): Promise<void> {
  for (const service of services) process.kill(-(await groupOf(service)), signal);
}

/** Ends services at once, and resolves when they have ended. */
export async function killServices(...services: readonly string[]): Promise<void> {
  await signalServices("SIGKILL", ...services);
  for (const service of services) {
    const leader = await groupOf(service);
    await until(`${service} has ended`, async () => !(await isRunning(leader)), 30_000);
  }
}

/** Whether there is such a process, and not only what is left of one until it is reaped. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  return stat !== null && !/\) Z /.test(stat);
}

/** Starts whatever does not run, and resolves when the cloud is healthy. */
export async function startServices(): Promise<void> {
  const env = { OSIT_STATE: STATE };
  const up = join(PROJECT, "test/openstack/cloud/up.sh");
  const { code, stdout, stderr } = await runCommand("bash", [up, STATE], { env, timeoutMs: 300_000 });
  if (code !== 0) throw new Error(`the services do not come back: ${stdout}${stderr}`);
}
