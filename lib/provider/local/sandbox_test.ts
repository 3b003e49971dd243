// The sandbox engine under real bubblewrap, with real SSH clients.
import { localConfig, temporaryDirectory } from "../../../test/harness/local_provider.ts";
import { makeRootfs } from "../../../test/harness/rootfs.ts";
import { silentLogger } from "../../std/logger.ts";
import { testProvider } from "../contract_suite.ts";
import { openProvider } from "../registry.ts";

testProvider(
  "the local provider with sandboxes",
  async () => {
    const directory = await temporaryDirectory();
    const rootfs = await makeRootfs({ sshServer: false });
    const config = localConfig({ engine: "sandbox", "state-dir": directory.path });
    const provider = await openProvider(config, { logger: silentLogger });
    await provider.start(AbortSignal.timeout(10_000));
    return {
      provider,
      image: { path: rootfs.path, format: "tar", mark: "made by the harness\n" },
      username: "zuul",
      privateKey: rootfs.privateKey,
      close: async () => {
        await provider.stop();
        await rootfs.remove();
        await directory.remove();
      },
    };
  },
  null,
);
