// What is true of the registry when answers are lost; the rest is in contract/component_cases.ts.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newPool } from "../model/component.ts";
import { silentLogger } from "../std/logger.ts";
import { registerComponent } from "./component.ts";
import { PATIENCE_MS, until, within } from "./contract/fixture.ts";
import { type Session, type Stat, ZooKeeperError } from "./types.ts";

const POOL = newPool({ hostname: "host", id: "host-PoolWorker.a-b" });

type Kind = "create" | "create, done later" | "children" | "get" | "delete" | "delete, not done";

/** A registry in memory. The answers to calls of these kinds are lost in this order, after the call was done or not. */
class Registry {
  readonly znodes = new Map<string, Uint8Array>();
  readonly #lost: Kind[];
  readonly #signal = new AbortController().signal;
  #sequence = 0;
  /** Carries out what is still on its way, before any other write. */
  #arrive = () => {};

  constructor(...lost: Kind[]) {
    this.#lost = lost;
  }

  get session(): Session {
    const partial: Partial<Session> = {
      sessionId: 7n,
      signal: this.#signal,
      onState: () => () => {},
      connected: () => Promise.resolve(),
      ensurePath: () => Promise.resolve(),
      multi: async () => {
        this.#arrive();
        return [];
      },
      create: (prefix: string, data: Uint8Array) => {
        this.#arrive();
        const path = `${prefix}${String(this.#sequence).padStart(10, "0")}`;
        this.#sequence += 1;
        this.#arrive = () => void this.znodes.set(path, data);
        if (this.#lost[0] !== "create, done later") this.#arrive();
        return this.#answer(this.#lost[0] === "create, done later" ? "create, done later" : "create", path);
      },
      children: () => this.#answer("children", this.#names()),
      get: (path: string) => {
        const stat = { ephemeralOwner: 7n } as Partial<Stat> as Stat;
        return this.#answer("get", { data: this.znodes.get(path) ?? new Uint8Array(), stat });
      },
      delete: async (path: string) => {
        await this.#answer("delete, not done", undefined);
        this.znodes.delete(path);
        return this.#answer("delete", undefined);
      },
    };
    return partial as Session;
  }

  get allWereLost(): boolean {
    return this.#lost.length === 0;
  }

  #names(): string[] {
    return [...this.znodes.keys()].map((path) => path.slice(path.lastIndexOf("/") + 1));
  }

  async #answer<T>(kind: Kind, answer: T): Promise<T> {
    if (this.#lost[0] !== kind) return answer;
    this.#lost.shift();
    throw new ZooKeeperError("CONNECTION_LOSS", "the answer was lost");
  }
}

describe("a component whose creation was not answered", () => {
  for (const lost of [
    ["create"],
    ["create, done later"],
    ["create", "children"],
    ["create", "get"],
  ] as const) {
    it(`is registered once when the answers to ${lost.join(" and ")} are lost`, async () => {
      const registry = new Registry(...lost);
      const registration = registerComponent(registry.session, POOL, { logger: silentLogger });
      await within(PATIENCE_MS, registration.registered(), "the registration");
      assert.ok(registry.allWereLost);
      assert.equal(registry.znodes.size, 1);
      await registration.close();
      assert.equal(registry.znodes.size, 0);
    });
  }

  it("is taken out of the registry when it is closed before it was found", async () => {
    const registry = new Registry("create", "children");
    const registration = registerComponent(registry.session, POOL, { logger: silentLogger });
    await until(() => registry.znodes.size === 1, "the creation");
    await within(PATIENCE_MS, registration.close(), "close");
    assert.equal(registry.znodes.size, 0);
  });
});

describe("a component that cannot be taken out of the registry at once", () => {
  it("is taken out while its session lives on", async () => {
    const registry = new Registry("delete, not done", "delete, not done");
    const registration = registerComponent(registry.session, POOL, { logger: silentLogger });
    await within(PATIENCE_MS, registration.registered(), "the registration");
    await registration.close();
    await until(() => registry.znodes.size === 0, "the end of the registration");
    assert.ok(registry.allWereLost);
  });
});
