import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setUp } from "../../../test/harness/api_client_case.ts";
import type { ScriptedAnswer } from "../../../test/harness/scripted_openstack.ts";
import type { Cloud } from "../../config/clouds/cloud.ts";
import { QuotaError } from "../contract.ts";
import { FloatingIps, readDescription } from "./floating_ips.ts";
import { NetworkApi } from "./network.ts";

const signal = new AbortController().signal;
const networks = [
  { id: "n1", name: "inside", isExternal: false },
  { id: "n2", name: "storage", isExternal: false },
  { id: "n3", name: "outside", isExternal: true },
  { id: "n4", name: "far outside", isExternal: true },
];
const server = { id: "s1", metadata: {} };
const made = { id: "f1", floating_ip_address: "198.51.100.7", port_id: "port n1" };

/** Floating addresses in a cloud that answers creates in this way, and what it is asked. */
async function floatingIps(cloud: Partial<Cloud> = {}, answer: ScriptedAnswer | null = null, isMade = false) {
  let [creates, looks] = [0, 0];
  const { api, cloud: scripted } = await setUp(({ method, path }) => {
    if (path.startsWith("/ports")) {
      const port = (network: string, address: string) => ({
        id: `port ${network}`,
        network_id: network,
        fixed_ips: [{ ip_address: "fd00::5" }, ...(address === "" ? [] : [{ ip_address: address }])],
      });
      return {
        status: 200,
        body: { ports: [port("n9", ""), port("n1", "10.0.0.5"), port("n2", "10.1.0.5")] },
      };
    }
    if (method === "POST") {
      creates += 1;
      return answer ?? { status: 201, body: { floatingip: made } };
    }
    if (!path.startsWith("/floatingips?port_id=port+n1")) return undefined;
    looks += 1;
    return { status: 200, body: { floatingips: isMade || (creates > 0 && looks > 1) ? [made] : [] } };
  });
  const given = { networks: [], floatingIps: true, isPrivate: false, ...cloud } as unknown as Cloud;
  const created = () => {
    const bodies = scripted.calls
      .filter(({ method }) => method === "POST")
      .map(({ body }) => JSON.parse(body));
    return bodies.map(({ floatingip }) => floatingip);
  };
  return { subject: new FloatingIps(given, new NetworkApi(api), signal), created };
}

describe("floating addresses in OpenStack", () => {
  test("they come from the network of nat_source, else from an external one, if there are to be any", async () => {
    const sourceOf = async (cloud: Partial<Cloud>) => (await floatingIps(cloud)).subject.source(networks)?.id;
    assert.equal(await sourceOf({}), "n3");
    for (const name of ["far outside", "n4"]) {
      assert.equal(await sourceOf({ networks: [{ name, natSource: true }] }), "n4");
    }
    assert.equal(await sourceOf({ floatingIps: false }), undefined);
    assert.equal(await sourceOf({ isPrivate: true }), undefined);
  });

  test("one is attached to the first port that has an IPv4 address, that of nat_destination before others", async () => {
    for (const [hint, network, address] of [
      [null, "n1", "10.0.0.5"],
      ["storage", "n2", "10.1.0.5"],
      ["n2", "n2", "10.1.0.5"],
    ] as const) {
      const hints = hint === null ? [] : [{ name: hint, natDestination: true }];
      const { subject, created } = await floatingIps({ networks: hints });
      await subject.attach(server, networks, signal);
      const [{ description, ...wish }] = created();
      assert.deepEqual(wish, {
        floating_network_id: "n3",
        port_id: `port ${network}`,
        fixed_ip_address: address,
      });
      assert.match(description, /^nodepool \{.*"server":"s1"/);
    }
  });

  test("one that is attached already is taken", async () => {
    const { subject, created } = await floatingIps({}, null, true);
    assert.equal((await subject.attach(server, networks, signal))?.id, "f1");
    assert.deepEqual(created(), []);
  });

  test("one whose create was not answered is found, and no second one made", async () => {
    const { subject, created } = await floatingIps({}, { status: 500 });
    assert.equal((await subject.attach(server, networks, signal))?.id, "f1");
    assert.equal(created().length, 1);
  });

  test("a cloud that has no more of them is out of its quota", async () => {
    for (const message of [
      "Quota exceeded for resources: ['floatingip']",
      "No more IP addresses available",
    ]) {
      const { subject } = await floatingIps({}, { status: 409, body: { NeutronError: { message } } });
      await assert.rejects(subject.attach(server, networks, signal), QuotaError);
    }
  });

  test("a network without a router is told with the remedy", async () => {
    for (const status of [400, 404]) {
      const { subject, created } = await floatingIps(
        {},
        { status, body: { NeutronError: { message: "no" } } },
      );
      await assert.rejects(
        subject.attach(server, networks, signal),
        /is there a router .* Else set auto-floating-ip: false/,
      );
      assert.equal(
        created().length,
        status === 404 ? 2 : 1,
        "another port helps only where it is not reachable",
      );
    }
  });

  test("a description is ours only as a whole", () => {
    const words = { provider: "p", node: "1", server: "s" };
    assert.deepEqual(readDescription(`nodepool ${JSON.stringify(words)}`), words);
    for (const key of Object.keys(words)) {
      assert.equal(readDescription(`nodepool ${JSON.stringify({ ...words, [key]: undefined })}`), null, key);
    }
    assert.equal(readDescription(`somebody ${JSON.stringify(words)}`), null);
    assert.equal(readDescription("nodepool {"), null);
  });
});
