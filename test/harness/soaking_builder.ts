// nodepool-builder as its soak runs it: with a host name of its own (NODEPOOL_TEST_HOST), and without long waits.
import process from "node:process";
import { runDaemon } from "../../lib/daemon/daemon.ts";
import { startBuilder } from "../../services/builder/builder.ts";
import { AWAY_GRACE, BUILD_WORKERS, TAKEOVER_GRACE } from "./builder_soak_config.ts";

await runDaemon({
  name: "builder",
  process,
  start: (context) =>
    startBuilder(
      { ...context, hostname: process.env.NODEPOOL_TEST_HOST ?? context.hostname },
      {
        env: process.env,
        buildWorkers: BUILD_WORKERS,
        backoff: { initial: 200, maximum: 2000 },
        takeoverGrace: TAKEOVER_GRACE,
        awayGrace: AWAY_GRACE,
        stopGraceMs: 2000,
      },
    ),
});
