// A launcher in front of the real OpenStack, with a label for each thing that can go wrong there.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PoolLabelConfig } from "../../../lib/config/types.ts";
import type { Provider } from "../../../lib/provider/contract.ts";
import { type TestLauncher, until } from "../../harness/launcher.ts";
import { LauncherCase } from "../../harness/launcher_case.ts";
import type { ZooKeeperServer } from "../../harness/zookeeper.ts";
import { type CloudName, CloudUser, writeCloudsYaml } from "./cloud_user.ts";
import { FaultProxy } from "./fault_proxy.ts";
import { openRealProvider } from "./real_provider.ts";

/** Metadata that the stand-in for a hypervisor obeys, by the label that has it. */
const FAULTS = {
  small: "",
  slow: "osit-delay: '45'",
  aborted: "osit-fail: abort",
  "over-quota": "osit-fail: quota",
  stubborn: "osit-fail-delete: '1'",
} as const;
const LABELS = [...Object.keys(FAULTS), "toobig"];

export interface FaultyLauncher {
  readonly launcher: TestLauncher;
  readonly user: CloudUser;
  readonly proxy: FaultProxy;
  readonly provider: Provider;
  /** Waits until no node and nothing in the cloud is left; fails with what is. */
  untilEmpty(): Promise<void>;
  close(): Promise<void>;
}

/** How often a launch is tried, and how many seconds it may take. */
export interface Patience {
  readonly launchTimeout?: number;
  readonly launchRetries?: number;
}

/** Starts one. */
export async function startFaultyLauncher(
  server: ZooKeeperServer,
  cloud: CloudName,
  { launchTimeout = 120, launchRetries = 3 }: Patience = {},
): Promise<FaultyLauncher> {
  const folder = await mkdtemp(join(tmpdir(), "nodepool-openstack-faults-"));
  const user = await CloudUser.login(cloud);
  const before = await user.holdings();
  const proxy = await FaultProxy.start(user);
  const clouds = await writeCloudsYaml(folder, cloud, proxy.overrides);
  const labels = LABELS.map((name) => {
    const properties = FAULTS[name as keyof typeof FAULTS] ?? "";
    const flavor = name === "toobig" ? "flavor-name: toobig" : "flavor-name: small";
    return `{name: ${name}, cloud-image: public-image, ${flavor}, instance-properties: {${properties}}}`;
  });
  const provider = await openRealProvider({
    clouds,
    name: "real",
    labels,
    provider: `launch-timeout: ${launchTimeout}, cloud-images: [{name: public-image}],`,
    pool: "networks: [shared],",
  });
  const one = await LauncherCase.begin(server, "real");
  const offered = LABELS.map(
    (name): PoolLabelConfig => ({
      name,
      diskimage: null,
      cloudImage: "public-image",
      hostKeyChecking: true,
      consoleLog: false,
      settings: {},
    }),
  );
  const launcher = await one.launcher(
    {
      labels: Object.fromEntries(LABELS.map((name) => [name, {}])),
      providers: [
        {
          driver: provider,
          pools: [{ name: "main", offers: [], labels: offered }],
          config: { driver: "openstack", launchTimeout, bootTimeout: 60, launchRetries },
        },
      ],
    },
    { cleanupIntervalMs: 3000 },
  );
  const left = async () => [
    ...[...launcher.view.nodes()].map(({ id, record }) => `node ${id} ${record?.state}`),
    ...(await user.holdings()).filter((each) => !before.includes(each)),
  ];
  return {
    launcher,
    user,
    proxy,
    provider,
    untilEmpty: async () => {
      await until("both sides are empty", async () => (await left()).length === 0, 120_000).catch(
        async (error: Error) => {
          throw new Error(`${error.message}; left: ${(await left()).join("; ")}`);
        },
      );
    },
    close: async () => {
      await one.end();
      await provider.stop();
      await proxy.close();
      await rm(folder, { recursive: true });
    },
  };
}
