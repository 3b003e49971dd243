import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { oneOf } from "./check.ts";

const four = (address: string) => ({ address, family: 4 });
const six = (address: string) => ({ address, family: 6 });

describe("the address of a host that is recorded", () => {
  for (const { of, found, ipv4, ipv6 } of [
    { of: "a name with one", found: [four("10.0.0.7")], ipv4: "10.0.0.7", ipv6: null },
    { of: "a name with both kinds", found: [six("fd00::1"), four("10.0.0.7")], ipv4: "10.0.0.7", ipv6: null },
    { of: "a name with IPv6 only", found: [six("fd00::2"), six("fd00::1")], ipv4: null, ipv6: "fd00::1" },
    { of: "a name with none", found: [], ipv4: null, ipv6: null },
  ]) {
    it(`is ${ipv4 ?? ipv6} for ${of}`, () => assert.deepEqual(oneOf(found), { ipv4, ipv6 }));
  }

  it("is the same in whatever order the name server tells them", () => {
    const found = [four("10.0.0.9"), four("10.0.0.7"), four("10.0.0.8")];
    const [first, ...others] = found.map((_, turn) => oneOf([...found.slice(turn), ...found.slice(0, turn)]));
    for (const other of others) assert.deepEqual(other, first);
  });
});
