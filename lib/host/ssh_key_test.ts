import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { until } from "../../test/harness/launcher.ts";
import { newKeyPair, operatorKey } from "./ssh_key.ts";

describe("the operator's key", () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-key-"));
  after(() => rmSync(folder, { recursive: true }));
  const newFolder = (name: string) => {
    const path = join(folder, name);
    mkdirSync(join(path, ".ssh"), { recursive: true });
    return path;
  };

  it("is made once and kept, readable by its owner only", async () => {
    const dataDir = newFolder("data");
    const env = { HOME: newFolder("empty-home") };
    const first = await operatorKey({ env, dataDir });
    const second = await operatorKey({ env, dataDir });
    assert.equal(first.source, "made");
    assert.deepEqual(second, first);
    assert.equal(first.privateKeyPath, join(dataDir, "ssh", "id_ed25519"));
    assert.equal(statSync(first.privateKeyPath).mode & 0o777, 0o600);
  });

  it("is one that OpenSSH reads, with the public half that is authorized", async () => {
    for (let round = 0; round < 4; round += 1) {
      const { privateKey, publicKey } = newKeyPair("a".repeat(round));
      const file = join(folder, `key${round}`);
      writeFileSync(file, privateKey, { mode: 0o600 });
      const derived = execFileSync("ssh-keygen", ["-y", "-P", "", "-f", file], { encoding: "utf8" });
      assert.equal(derived.split(" ")[1]?.trim(), publicKey.split(" ")[1]);
    }
  });

  it("is the one at home when there is one, and ed25519 before RSA", async () => {
    const home = newFolder("home");
    for (const name of ["id_rsa", "id_ed25519"]) {
      const { privateKey, publicKey } = newKeyPair(name);
      writeFileSync(join(home, ".ssh", name), privateKey);
      writeFileSync(join(home, ".ssh", `${name}.pub`), `${publicKey}\n`);
    }
    const key = await operatorKey({ env: { HOME: home }, dataDir: join(folder, "unused") });
    assert.equal(key.source, "home");
    assert.equal(key.privateKeyPath, join(home, ".ssh", "id_ed25519"));
    assert.equal(`${key.publicKey}\n`, readFileSync(join(home, ".ssh", "id_ed25519.pub"), "utf8"));
  });

  it("is not a public key whose private half is elsewhere", async () => {
    const home = newFolder("half-home");
    writeFileSync(join(home, ".ssh", "id_rsa.pub"), `${newKeyPair("x").publicKey}\n`);
    const key = await operatorKey({ env: { HOME: home }, dataDir: newFolder("data2") });
    assert.equal(key.source, "made");
  });

  it("is the agent's when there is none at home", async () => {
    const socket = join(folder, "agent.sock");
    const started = execFileSync("ssh-agent", ["-a", socket, "-s"], { encoding: "utf8" });
    const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(started)?.[1]);
    try {
      const { privateKey, publicKey } = newKeyPair("agent");
      const file = join(folder, "agent-key");
      writeFileSync(file, privateKey, { mode: 0o600 });
      execFileSync("ssh-add", ["-q", file], { env: { SSH_AUTH_SOCK: socket, PATH: "/usr/bin:/bin" } });
      const env = { HOME: newFolder("agent-home"), SSH_AUTH_SOCK: socket };
      const key = await operatorKey({ env, dataDir: newFolder("data3") });
      assert.equal(key.source, "agent");
      assert.equal(key.publicKey, publicKey);
      assert.equal(readFileSync(key.privateKeyPath, "utf8"), `${publicKey}\n`);
    } finally {
      process.kill(pid);
      // It removes its socket, which must not happen while the folder is removed.
      await until("the agent has ended", () => !existsSync(socket));
    }
  });
});
