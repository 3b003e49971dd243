// Servers to ACTIVE and to gone through our driver: our_load.ts CLOUDS_YAML COUNT. Prints one JSON object.
import process from "node:process";
import { METADATA } from "../../../lib/provider/contract.ts";
import { type Logger, silentLogger } from "../../../lib/std/logger.ts";
import { openRealProvider } from "../../openstack/harness/real_provider.ts";

let calls = 0;
const logger: Logger = {
  ...silentLogger,
  child: () => logger,
  debug: (message) => {
    if (message === "openstack call") calls += 1;
  },
};
const [clouds = "", count = "0"] = process.argv.slice(2);
const provider = await openRealProvider({
  clouds,
  name: "bench",
  labels: ["{name: small, cloud-image: public-image, flavor-name: small}"],
  provider: "cloud-images: [{name: public-image}],",
  pool: "networks: [shared],",
  logger,
});
const signal = AbortSignal.timeout(600_000);
const started = performance.now();
const seconds = () => (performance.now() - started) / 1000;
const cpu = process.cpuUsage();
const servers = await Promise.all(
  Array.from({ length: Number(count) }, (_, index) => {
    const node = `${index}`.padStart(10, "0");
    const metadata = { [METADATA.provider]: "bench", [METADATA.node]: node, [METADATA.launchToken]: node };
    const image = { imageExternalId: "public-image", username: null, az: null, request: null };
    const spec = { name: `np${node}`, pool: "main", label: "small", ...image, metadata };
    return provider.createInstance(spec, async () => {}, signal);
  }),
);
const active = seconds();
await Promise.all(servers.map(({ externalId }) => provider.deleteInstance(externalId, signal)));
const used = process.cpuUsage(cpu);
console.log(
  JSON.stringify({ active, gone: seconds() - active, cpu: (used.user + used.system) / 1e6, calls }),
);
await provider.stop();
