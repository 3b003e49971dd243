// Three launchers are stopped and started in turn while clients go on: nobody notices.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { PROXY_NAMES, proxiesInstalled } from "../harness/http2_proxy.ts";
import { until } from "../harness/launcher.ts";
import { startProgram } from "../harness/program.ts";
import { RollingFleet } from "../harness/rolling_fleet.ts";
import { RollingLoad } from "../harness/rolling_load.ts";

const PATIENCE_MS = 60_000;
const skip = proxiesInstalled ? false : "needs Debian's packages haproxy and nginx";

for (const proxyName of PROXY_NAMES) {
  describe(`three launchers behind ${proxyName}, restarted in turn`, { skip }, () => {
    let fleet: RollingFleet;
    before(async () => {
      // Nobody dies here: no session ends, and no connection is given up, because the machine is busy.
      fleet = await RollingFleet.open(proxyName, 40);
    });
    after(() => fleet?.close());

    it("fail no call, launch nothing twice, keep leases, hand over what is in flight", async (test) => {
      const { cloud, clients } = fleet;
      // So long that each stop finds launches in flight.
      cloud.weather.createMs = 700;
      const holder = startProgram("services/cli/main.ts", ["--address", fleet.address, "request", "tiny"]);
      test.after(() => holder.stop("SIGKILL").catch(() => null));
      await holder.waitFor(/ready: Ctrl-C/, PATIENCE_MS);
      const { nodes: held } = await clients.nodes.listNodes({});
      const load = new RollingLoad(clients);
      test.after(() => load.end());
      load.begin(4);
      await until("the load goes on", () => load.served > 3, PATIENCE_MS);
      const started = Date.now();
      const codes = [...(await fleet.roll("SIGTERM")), ...(await fleet.roll("SIGINT"))];
      test.diagnostic(`rolled twice in ${Date.now() - started} ms; ${load.calls} calls, ${load.cuts} cuts`);
      const served = load.served;
      await until("the load goes on", () => load.served > served + 4, PATIENCE_MS);
      await load.end();
      assert.deepEqual(codes, [0, 0, 0, 0, 0, 0]);
      assert.deepEqual(load.failures, []);
      assert.equal(new Set(load.requests.values()).size, load.requests.size);
      assert.equal(new Set(cloud.made).size, cloud.made.length, "a launch was begun anew");
      assert.equal(cloud.made.length, load.requests.size + 1, "one node for each request and the held one");
      await until(
        "only the held node is left",
        async () => (await clients.nodes.listNodes({})).nodes.length === 1 && cloud.instances.size === 1,
        PATIENCE_MS,
      );
      const { nodes } = await clients.nodes.listNodes({});
      const facts = ({ name, allocatedTo, state, externalId }: (typeof nodes)[0]) => [
        ...[name, allocatedTo, state, externalId],
      ];
      assert.deepEqual(nodes.map(facts), held.map(facts));
      assert.equal(await holder.stop("SIGINT"), 130, holder.output());
    });
  });
}
