import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../load.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMpujkfvUEYGUqTpsqGfhVNpKRZENxWNFJkTEGlcyt3R";

/** A provider whose pools have these hosts. */
const read = (...pools: string[]) => {
  const listed = pools.map((nodes, at) => `{name: p${at}, nodes: [${nodes}]}`).join(", ");
  return parseConfig(
    `labels: [{name: a}, {name: b}]\nproviders: [{name: s, driver: static, pools: [${listed}]}]`,
    "f",
  );
};
const saidOf = (...pools: string[]) =>
  read(...pools).warnings.map(({ path, message }) => `${path.replace("providers[0].", "")}: ${message}`);

describe("a static host", () => {
  it("has its labels as words in a text or as a list", () => {
    for (const labels of ["' a  b '", "[a, b]", '"a\\tb"', "[a, b, a]"]) {
      const [pool] = read(`{name: h, labels: ${labels}}`).providers[0]?.pools ?? [];
      assert.deepEqual(
        pool?.labels.map(({ name }) => name),
        ["a", "b"],
        labels,
      );
    }
  });

  it("is known by its name, its user and its port", () => {
    const hosts = ["", ", username: me", ", connection-port: 23", ", ssh-port: 24"];
    assert.deepEqual(saidOf(hosts.map((keys) => `{name: h, labels: a${keys}}`).join(", ")), []);
  });

  const again = (identity: string, first = "providers[0].pools[0].nodes[0]") =>
    `name: ${identity} is already at ${first}; a host is known by name, username and connection-port: change one, or use max-parallel-jobs`;

  it("that is the same as another, in any pool, is warned of", () => {
    const same = "{name: h, labels: a, username: zuul, connection-port: 22}";
    assert.deepEqual(saidOf("{name: h, labels: a}", `{name: i, labels: a}, ${same}, ${same}`), [
      `pools[1].nodes[1].${again("zuul@h:22")}`,
      `pools[1].nodes[2].${again("zuul@h:22")}`,
    ]);
    const ports =
      "{name: h, labels: a, ssh-port: 23}, {name: h, labels: a, ssh-port: 5, connection-port: 23}";
    assert.deepEqual(saidOf(ports), [`pools[0].nodes[1].${again("zuul@h:23")}`]);
  });

  it("is warned of when one of its keys is none, for it is not served then", () => {
    const host = (key: string) => saidOf(`{name: h, labels: a, host-key: ${key}}`);
    const said = (place: string) => [
      `pools[0].nodes[0].${place}: is no SSH host key, so the host is not served: what follows its type is not base64; take the line from its .pub file`,
    ];
    assert.deepEqual([host(KEY), host(`[${KEY}, ${KEY} root@h]`)], [[], []]);
    assert.deepEqual(host("ssh-rsa"), said("host-key"));
    assert.deepEqual(host(`[${KEY}, ssh-rsa]`), said("host-key[1]"));
  });
});
