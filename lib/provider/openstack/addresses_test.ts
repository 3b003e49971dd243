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
  more: { hasIpv6?: boolean; accessIpv4?: string; accessIpv6?: string } = {},
) {
  const server = { addresses, accessIpv4: more.accessIpv4 ?? null, accessIpv6: more.accessIpv6 ?? null };
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

  test("the ranges that nobody routes end where they do", () => {
    const isPublic = (address: string) => choose([fixed("inside", address)]).publicIpv4 !== null;
    const edges = ["0.255.0.1", "100.127.0.1", "169.254.9.9", "172.16.0.1", "224.0.0.1"];
    assert.deepEqual(edges.filter(isPublic), []);
    const neighbours = ["1.0.0.1", "11.0.0.1", "100.63.0.1", "100.128.0.1", "169.253.0.1"];
    const others = ["172.15.0.1", "172.32.0.1", "192.167.0.1", "192.169.0.1", "223.0.0.1"];
    assert.deepEqual(
      [...neighbours, ...others].filter((address) => !isPublic(address)),
      [],
    );
  });

  test("the private address is neither the public one, nor floating, nor of a network that leads outside", () => {
    const privateOf = (...others: readonly ServerAddress[]) =>
      choose([...others, fixed("inside", "10.0.0.5")]).privateIpv4;
    assert.equal(privateOf(fixed("inside", "203.0.113.9")), "10.0.0.5");
    assert.equal(
      privateOf(floating("inside", "203.0.113.9"), floating("inside", "203.0.113.10")),
      "10.0.0.5",
    );
    assert.equal(
      privateOf(fixed("provider-net", "172.16.0.5"), fixed("provider-net", "172.16.0.6")),
      "10.0.0.5",
    );
  });

  test("of the network to connect to IPv6 goes before IPv4 where it may be used", () => {
    const networks = [{ name: "inside", defaultInterface: true }];
    const addresses = [fixed("inside", "10.0.0.5"), fixed("inside", "fd00::5")];
    assert.equal(choose(addresses, { networks }).interfaceIp, "fd00::5");
    assert.equal(choose(addresses, { networks }, { hasIpv6: false }).interfaceIp, "10.0.0.5");
  });

  test("an address of a link alone is none to connect to", () => {
    assert.equal(choose([fixed("inside", "fe80::5"), fixed("inside", "fea0::5")]).interfaceIp, null);
  });

  test("what is said of a network by its id holds for no other", () => {
    const networks = [{ name: "2", routesExternally: false }];
    assert.equal(choose([fixed("inside", "203.0.113.9")], { networks }).publicIpv4, "203.0.113.9");
  });

  test("on a network that clouds.yaml calls inward no address is public", () => {
    const networks = [{ name: "inside", routesExternally: false }];
    assert.equal(choose([fixed("inside", "203.0.113.9")], { networks }).publicIpv4, null);
  });

  test("a network to connect to leads outside or not as the cloud says", () => {
    const networks = [{ name: "provider-net", defaultInterface: true }];
    assert.equal(choose([fixed("provider-net", "172.16.0.5")], { networks }).publicIpv4, "172.16.0.5");
  });

  test("of an external network the IPv4 address is the public one, before a floating one", () => {
    const outside = [fixed("provider-net", "2001:db8::5"), fixed("provider-net", "172.16.0.5")];
    assert.equal(choose([floating("inside", "198.51.100.7"), ...outside]).publicIpv4, "172.16.0.5");
  });

  test("accessIPv6 goes before the addresses of networks", () => {
    const chosen = choose([fixed("inside", "2001:db8::5")], {}, { accessIpv6: "2001:db8::1" });
    assert.equal(chosen.publicIpv6, "2001:db8::1");
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
