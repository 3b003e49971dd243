import assert from "node:assert/strict";
import { it } from "node:test";
import { decodePool, newComponent, newPool } from "../../model/component.ts";
import { silentLogger } from "../../std/logger.ts";
import { registerComponent } from "../component.ts";
import type { Session } from "../types.ts";
import { type Fixture, PATIENCE_MS, refused, textOf, until, within } from "./fixture.ts";

const POOLS = "/nodepool/components/pool";

/** The registry of components. */
export function componentCases(fixture: Fixture): void {
  const pool = (paused = false) => {
    return newPool({
      hostname: "host",
      id: "host-PoolWorker.a-b",
      name: "b",
      paused,
      supportedLabels: ["small"],
    });
  };
  const pools = async (session: Session) => {
    const names = await session.children(POOLS);
    return Promise.all(names.map(async (name) => decodePool((await session.get(`${POOLS}/${name}`)).data)));
  };
  const freshSession = async () => {
    const plain = await fixture.session();
    return fixture.session({ chroot: await fixture.place(plain) });
  };

  it("keeps a component registered, with what it said last", async () => {
    const session = await freshSession();
    const registration = registerComponent(session, pool(), { logger: silentLogger });
    const znode = await within(PATIENCE_MS, registration.registered(), "the registration");
    assert.match(znode, /^host\d{10}$/);
    assert.equal((await session.get(`${POOLS}/${znode}`)).stat.ephemeralOwner, session.sessionId);
    for (let round = 0; round < 9; round += 1) registration.update(pool(round % 2 === 0));
    await until(async () => (await pools(session))[0]?.paused === true, "the last update");
    assert.equal((await session.children(POOLS)).length, 1);

    await registration.close();
    assert.deepEqual(await session.children(POOLS), []);
    await refused(registration.registered(), "CLOSED");
  });

  it("registers anew in a new session, and when somebody has deleted it", async () => {
    const session = await freshSession();
    const registration = registerComponent(session, pool(), { logger: silentLogger });
    const first = await within(PATIENCE_MS, registration.registered(), "the registration");
    await fixture.expire(session);
    const second = await within(PATIENCE_MS, registration.registered(), "the second registration");
    assert.notEqual(second, first);
    assert.deepEqual(await session.children(POOLS), [second]);

    await session.delete(`${POOLS}/${second}`, -1);
    registration.update(pool(true));
    await until(async () => (await pools(session))[0]?.paused === true, "the third registration");
    await registration.close();
  });

  it("writes the document that Nodepool writes", async () => {
    const session = await freshSession();
    const record = newComponent({ hostname: "h", kind: "launcher", state: "running", version: "9.1.0" });
    const registration = registerComponent(session, record, { logger: silentLogger });
    const znode = await within(PATIENCE_MS, registration.registered(), "the registration");
    const { data } = await session.get(`/nodepool/components/launcher/${znode}`);
    assert.deepEqual(JSON.parse(textOf(data)), {
      hostname: "h",
      kind: "launcher",
      model_api: 0,
      state: "running",
      version: "9.1.0",
    });
    await registration.close();
  });
}
