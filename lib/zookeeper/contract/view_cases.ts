import assert from "node:assert/strict";
import { it } from "node:test";
import { encodeNode, newNode } from "../../model/node.ts";
import { encodeRequest, newRequest } from "../../model/request.ts";
import { silentLogger } from "../../std/logger.ts";
import { createLocks } from "../locks.ts";
import { openView } from "../tree_view.ts";
import type { Session } from "../types.ts";
import type { View } from "../view.ts";
import { type Fixture, PATIENCE_MS, text, until, untilState, within } from "./fixture.ts";

const NOTHING = new Uint8Array();

/** The view opened on a session, current. */
async function openCurrent(session: Session): Promise<View> {
  const view = openView(session, silentLogger);
  await within(PATIENCE_MS, view.ready(), "the view to be current");
  return view;
}

async function addNode(session: Session, state: "ready" | "building" = "ready"): Promise<string> {
  await session.ensurePath("/nodepool/nodes");
  const data = encodeNode(newNode(1, { state, type: ["small"] }));
  const path = await session.create("/nodepool/nodes/", data, "persistent-sequential");
  return path.slice("/nodepool/nodes/".length);
}

/** The watched copy of the tree. Each case has a chroot of its own, so that /nodepool is its own too. */
export function viewCases(fixture: Fixture): void {
  const freshSessions = async (count: number) => {
    const plain = await fixture.session();
    const chroot = await fixture.place(plain);
    return Promise.all(Array.from({ length: count }, () => fixture.session({ chroot })));
  };

  it("begins with everything that is there", async () => {
    const [session] = await freshSessions(1);
    assert.ok(session);
    const node = await addNode(session);
    const lock = await createLocks(session).acquire(`/nodepool/nodes/${node}/lock`);
    assert.ok(lock);
    const build = "/nodepool/images/debian/builds/b1";
    const uploads = `${build}/providers/cloud/images`;
    await session.ensurePath(uploads);
    await session.set(build, text('{"state": "ready", "state_time": 5, "formats": "raw"}'), -1);
    await session.create(`${uploads}/0000000001`, text('{"state": "uploading"}'), "persistent");
    await session.create("/nodepool/images/debian/pause", NOTHING, "persistent");
    await session.create("/nodepool/images/debian/request-build", text("asked"), "persistent");
    await createLocks(session).acquire("/nodepool/images/debian/builds/lock");
    await createLocks(session).acquire(`${uploads}/lock`);
    await createLocks(session).acquire("/nodepool/requests-lock/200-0000000009", { createParents: true });
    await session.ensurePath("/nodepool/components/pool");
    await session.create(
      "/nodepool/components/pool/h",
      text('{"kind": "pool", "state": "running"}'),
      "ephemeral",
    );

    const view = await openCurrent(session);
    const entry = view.node(node);
    assert.equal(entry?.record?.state, "ready");
    assert.deepEqual(entry?.lock, { exists: true, contenders: [lock.contender.split("/").at(-1)] });
    const image = view.image("debian");
    assert.ok(image?.paused);
    assert.ok(Math.abs((image.buildRequest?.time ?? 0) - Date.now() / 1000) < 60);
    assert.equal(image.lock.contenders.length, 1);
    assert.equal(image.builds[0]?.record?.formats, "raw");
    assert.equal(image.builds[0]?.uploads[0]?.record?.state, "uploading");
    assert.deepEqual([...(image.builds[0]?.uploading ?? [])], ["cloud"]);
    assert.deepEqual(
      [...view.orphanedRequestLocks()].map(({ request }) => request),
      ["200-0000000009"],
    );
    assert.deepEqual(
      [...view.pools()].map(({ znode, record }) => [znode, record?.state]),
      [["h", "running"]],
    );
  });

  it("shows a write of our own as soon as it is settled", async () => {
    const [session] = await freshSessions(1);
    assert.ok(session);
    const view = await openCurrent(session);
    const node = await addNode(session, "building");
    await view.settled();
    assert.equal(view.node(node)?.record?.state, "building");
    for (let version = 0; version < 20; version += 1) {
      const data = encodeNode(newNode(version, { type: ["small"] }));
      await session.set(`/nodepool/nodes/${node}`, data, version);
      await view.settled();
      assert.equal(view.node(node)?.version, version + 1);
      assert.equal(view.node(node)?.record?.stateTime, version);
    }
    await session.deleteRecursive(`/nodepool/nodes/${node}`);
    await view.settled();
    assert.equal(view.node(node), undefined);
  });

  it("tells of each entity that changes, once for a transaction", async () => {
    const [session, other] = await freshSessions(2);
    assert.ok(session && other);
    const view = await openCurrent(session);
    const heard: string[] = [];
    const states: (string | undefined)[] = [];
    view.subscribe(({ kind, id }) => {
      heard.push(`${kind} ${id}`);
      states.push(view.node(id)?.record?.state);
    });
    const node = await addNode(other, "building");
    const locks = createLocks(other);
    const lock = await locks.acquire(`/nodepool/nodes/${node}/lock`);
    assert.ok(lock);
    await until(() => view.node(node)?.lock.contenders.length === 1, "the contender to be seen");
    await view.settled();
    heard.length = 0;
    states.length = 0;
    const data = encodeNode(newNode(2, { state: "ready", type: ["small"] }));
    await other.multi([
      { kind: "set", path: `/nodepool/nodes/${node}`, data, version: 0 },
      lock.releaseOperation(),
    ]);
    lock.markReleased();
    await until(() => view.node(node)?.lock.contenders.length === 0, "the lock to be free");
    assert.equal(states[0], "ready", "the new state is shown no later than the unlocking");
    assert.ok(heard.length <= 2 && heard.every((line) => line === `node ${node}`), heard.join());

    heard.length = 0;
    await other.ensurePath("/nodepool/requests");
    const request = encodeRequest(newRequest(1, { nodeTypes: ["small"] }));
    await other.create("/nodepool/requests/200-", request, "ephemeral-sequential");
    await other.ensurePath("/nodepool/images/debian");
    // What reaches the view together is told of once.
    await until(() => view.image("debian") !== undefined, "the image");
    await other.create("/nodepool/images/debian/pause", NOTHING, "persistent");
    await until(() => view.image("debian")?.paused === true, "the pause");
    assert.deepEqual(heard, ["request 200-0000000000", "image debian", "image debian"]);
  });

  it("shows a document that cannot be read as a problem, and the others as they are", async () => {
    const [session] = await freshSessions(1);
    assert.ok(session);
    const broken = await addNode(session);
    const sound = await addNode(session);
    const view = await openCurrent(session);
    await session.set(`/nodepool/nodes/${broken}`, text("{oops"), -1);
    await view.settled();
    const entry = view.node(broken);
    assert.equal(entry?.record, null);
    assert.match(entry?.problem ?? "", new RegExp(`/nodepool/nodes/${broken}.*oops`));
    assert.equal(view.node(sound)?.problem, null);
    await session.set(`/nodepool/nodes/${broken}`, encodeNode(newNode(1, { type: ["x"] })), -1);
    await view.settled();
    assert.equal(view.node(broken)?.problem, null);
  });

  it("is not current without a connection, and then finds what it missed", async () => {
    const [session, other] = await freshSessions(2);
    assert.ok(session && other);
    const [deleted, changed, same] = [await addNode(other), await addNode(other), await addNode(other)];
    const view = await openCurrent(session);
    const current: boolean[] = [];
    const heard = new Set<string>();
    view.onCurrent((now) => current.push(now));
    view.subscribe(({ id }) => heard.add(id));

    // The other session changes the tree between our losing the connection and our finding a new one.
    const suspended = untilState(session, "suspended");
    const changes = suspended.then(async () => {
      assert.equal(view.current, false);
      await other.connected();
    });
    const expired = fixture.expire(session);
    await changes;
    await other.deleteRecursive(`/nodepool/nodes/${deleted}`);
    await other.set(`/nodepool/nodes/${changed}`, encodeNode(newNode(9, { type: ["other"] })), -1);
    await expired;
    await within(PATIENCE_MS, view.ready(), "the view to be current again");
    await other.sync("/");
    await view.settled();
    assert.equal(view.node(deleted), undefined);
    assert.deepEqual(view.node(changed)?.record?.type, ["other"]);
    assert.ok(view.node(same));
    assert.deepEqual(heard, new Set([deleted, changed]));
    assert.deepEqual(current, [false, true]);

    await addNode(session);
    await view.settled();
    assert.equal([...view.nodes()].length, 3);
  });

  it("agrees with the tree after a storm of changes and a restart of the server", async () => {
    const [session, other] = await freshSessions(2);
    assert.ok(session && other);
    const view = await openCurrent(session);
    const churn = async (rounds: number) => {
      for (let round = 0; round < rounds; round += 1) {
        const node = await addNode(other, "building");
        const lock = await createLocks(other).acquire(`/nodepool/nodes/${node}/lock`);
        await other.set(`/nodepool/nodes/${node}`, encodeNode(newNode(round, { type: ["x"] })), -1);
        if (round % 3 === 0) await other.deleteRecursive(`/nodepool/nodes/${node}`);
        else if (round % 2 === 0) await lock?.release();
      }
    };
    await Promise.all([churn(15), churn(15), churn(15)]);
    await fixture.restart();
    await Promise.all([session.connected(), other.connected()]);
    await Promise.all([churn(15), churn(15)]);
    await session.sync("/");
    await within(PATIENCE_MS, view.settled(), "the view to settle");

    const names = (await session.children("/nodepool/nodes")).sort();
    assert.deepEqual([...view.nodes()].map(({ id }) => id).sort(), names);
    for (const name of names) {
      const { stat } = await session.get(`/nodepool/nodes/${name}`);
      const contenders = await session.children(`/nodepool/nodes/${name}/lock`);
      const entry = view.node(name);
      assert.equal(entry?.version, stat.version);
      assert.deepEqual(entry?.lock, { exists: true, contenders });
    }
  });
}
