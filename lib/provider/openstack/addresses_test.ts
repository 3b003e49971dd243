import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type AddressContext, chooseAddresses } from "./addresses.ts";
import type { ServerAddress } from "./compute.ts";

const fixed = (network: string, address: string): ServerAddress => ({
  network,
  address,
  version: address.includes(":") ? 6 : 4,
  isFloating: false,
});
const floating = (network: string, address: string): ServerAddress => ({
  ...fixed(network, address),
  isFloating: true,
});

const networks = [
  { id: "1", name: "inside", isExternal: false },
  { id: "2", name: "provider-net", isExternal: true },
];

function choose(
  addresses: readonly ServerAddress[],
  cloud: Partial<AddressContext["cloud"]> = {},
  more: { hasIpv6?: boolean; accessIpv4?: string } = {},
) {
  const server = { addresses, accessIpv4: more.accessIpv4 ?? null, accessIpv6: null };
  return chooseAddresses(server, {
    cloud: { networks: [], isPrivate: false, forceIpv4: false, ...cloud },
    networks,
    hasIpv6: more.hasIpv6 ?? true,
  });
}

describe("addresses of a server", () => {
  test("a floating address is the public one and the one to connect to", () => {
    const chosen = choose([fixed("inside", "10.0.0.5"), floating("inside", "198.51.100.7")]);
    assert.deepEqual(chosen, {
      interfaceIp: "198.51.100.7",
      publicIpv4: "198.51.100.7",
      privateIpv4: "10.0.0.5",
      publicIpv6: null,
    });
  });

  test("a server on an external network needs none, and its address counts as private too, as with Nodepool", () => {
    const chosen = choose([fixed("provider-net", "172.16.0.5")]);
    assert.deepEqual(chosen, {
      interfaceIp: "172.16.0.5",
      publicIpv4: "172.16.0.5",
      privateIpv4: "172.16.0.5",
      publicIpv6: null,
    });
  });

  test("an address that anybody can reach is public wherever it is from", () => {
    assert.equal(choose([fixed("inside", "203.0.113.9")]).publicIpv4, "203.0.113.9");
    for (const address of [
      "10.1.1.1",
      "172.31.0.1",
      "192.168.1.1",
      "100.64.0.1",
      "169.254.1.1",
      "127.77.0.2",
    ]) {
      const chosen = choose([fixed("inside", address)]);
      assert.deepEqual([chosen.publicIpv4, chosen.interfaceIp], [null, address]);
    }
  });

  test("IPv6 goes before IPv4 where we have it and nobody forbids it", () => {
    const both = [fixed("provider-net", "203.0.113.9"), fixed("provider-net", "2001:db8::5")];
    assert.equal(choose(both).interfaceIp, "2001:db8::5");
    assert.equal(choose(both, {}, { hasIpv6: false }).interfaceIp, "203.0.113.9");
    assert.equal(choose(both, { forceIpv4: true }).interfaceIp, "203.0.113.9");
    assert.equal(choose(both).publicIpv6, "2001:db8::5");
    assert.equal(choose([fixed("inside", "fd00::5"), fixed("inside", "10.0.0.5")]).publicIpv6, null);
    assert.equal(choose([fixed("inside", "2001:db8::5")], {}, { hasIpv6: false }).interfaceIp, "2001:db8::5");
    assert.equal(choose([fixed("inside", "fd00::5")]).interfaceIp, "fd00::5");
  });

  test("inside a private cloud the private address is taken", () => {
    const addresses = [fixed("inside", "10.0.0.5"), floating("inside", "198.51.100.7")];
    assert.equal(choose(addresses, { isPrivate: true }).interfaceIp, "10.0.0.5");
  });

  test("clouds.yaml says which network is which, by name or id", () => {
    const addresses = [fixed("inside", "10.0.0.5"), fixed("provider-net", "172.16.0.5")];
    const outward = [{ name: "inside", routesExternally: true }];
    assert.equal(choose(addresses, { networks: outward }).publicIpv4, "10.0.0.5");
    const inward = [{ name: "2", routesExternally: false }];
    assert.equal(choose(addresses, { networks: inward }).publicIpv4, null);
    const usual = [{ name: "1", defaultInterface: true }];
    assert.equal(choose(addresses, { networks: usual }).interfaceIp, "10.0.0.5");
  });

  test("accessIPv4 goes before all, and a server without addresses has none", () => {
    assert.equal(
      choose([fixed("inside", "10.0.0.5")], {}, { accessIpv4: "192.0.2.1" }).interfaceIp,
      "192.0.2.1",
    );
    assert.equal(choose([]).interfaceIp, null);
  });
});
