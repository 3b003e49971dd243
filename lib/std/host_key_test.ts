import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { fingerprint, parseHostKey, typesOf } from "./host_key.ts";

const KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

describe("a host key in a configuration", () => {
  it("is taken without its comment", () => {
    const line = `ssh-ed25519 ${KEY}`;
    assert.deepEqual(parseHostKey(`${line} root@host`), { type: "ssh-ed25519", line });
    assert.deepEqual(parseHostKey(`  ssh-ed25519\t${KEY}\n`), { type: "ssh-ed25519", line });
  });

  for (const [what, text, problem] of [
    ["of a type that nobody scans for", `ssh-dss ${KEY}`, /its type is 'ssh-dss'/],
    ["without a type", KEY, /its type is 'AAAA/],
    ["that is not base64", "ssh-ed25519 not*base64", /not base64/],
    ["without its data", "ssh-ed25519", /not base64/],
    ["that was cut off", `ssh-ed25519 ${KEY.slice(0, 12)}`, /cut off/],
    ["whose data is of another type", `ssh-rsa ${KEY}`, /not a key of type ssh-rsa/],
    ["that is only its type", `ssh-rsa ${Buffer.from("\0\0\0\x07ssh-rsa").toString("base64")}`, /cut off/],
  ] as const) {
    it(`is refused ${what}`, () => {
      const found = parseHostKey(text);
      assert.equal(typeof found, "string");
      assert.match(String(found), problem);
    });
  }

  it("has one of the known types, of which the preferred comes first", () => {
    const lines = ["ssh-dss AAAA", "ssh-rsa AAAA", "ssh-ed25519 AAAA", "ssh-rsa BBBB", "ssh-rsatoo AAAA"];
    assert.deepEqual(typesOf(lines), ["ssh-ed25519", "ssh-rsa"]);
  });

  it("has the fingerprint that ssh-keygen shows", () => {
    assert.equal(
      fingerprint(`ssh-ed25519 ${KEY}`),
      "ssh-ed25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
    );
  });
});
