import assert from "node:assert/strict";
import { it } from "node:test";
import { encodeNode, newNode } from "../../model/node.ts";
import { encodeRequest, newRequest } from "../../model/request.ts";
import { silentLogger } from "../../std/logger.ts";
import { openView } from "../tree_view.ts";
import type { Operation, Session } from "../types.ts";
import type { View } from "../view.ts";
import { type Fixture, PATIENCE_MS, within } from "./fixture.ts";

const NOTHING = new Uint8Array();
const NODES = "/nodepool/nodes";
const REQUESTS = "/nodepool/requests";
const LOCKS = "/nodepool/requests-lock";

const nodeData = (time: number) => encodeNode(newNode(time, { type: ["small"] }));
const create = (
  path: string,
  mode: "persistent" | "persistent-sequential",
  data: Uint8Array = NOTHING,
): Operation => {
  return { kind: "create", path, data, mode };
};

/** Creates a numbered znode in a transaction of its own, and gives its path. */
async function make(session: Session, prefix: string, data: Uint8Array): Promise<string> {
  const [made] = await session.multi([create(prefix, "persistent-sequential", data)]);
  assert.ok(made?.kind === "create");
  return made.path;
}

/** The session, with the paths that are read through it. */
function listening(session: Session): { session: Session; reads: string[] } {
  const reads: string[] = [];
  const heard = new Proxy(session, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...words: unknown[]) => {
        if (name === "get") reads.push(String(words[0]));
        return value.apply(target, words) as unknown;
      };
    },
  });
  return { session: heard, reads };
}

async function openCurrent(session: Session): Promise<View> {
  const view = openView(session, silentLogger);
  await within(PATIENCE_MS, view.ready(), "the view to be current");
  return view;
}

function shown(view: View) {
  return {
    nodes: new Map([...view.nodes()].map((entry) => [entry.id, entry])),
    requests: new Map([...view.requests()].map((entry) => [entry.id, entry])),
    locks: [...view.orphanedRequestLocks()],
  };
}

/** What a session writes itself, its own view takes from the writes. */
export function ownWriteCases(fixture: Fixture): void {
  const freshSessions = async () => {
    const chroot = await fixture.place(await fixture.session());
    const [one, other] = [await fixture.session({ chroot }), await fixture.session({ chroot })];
    for (const path of [NODES, REQUESTS, LOCKS]) await one.ensurePath(path);
    return [one, other] as const;
  };

  it("reads nothing that it has written itself, and shows what a reader sees", async () => {
    const [plain, other] = await freshSessions();
    const { session, reads } = listening(plain);
    const view = await openCurrent(session);
    reads.length = 0;
    const asked = encodeRequest(newRequest(1, { nodeTypes: ["small"] }));
    const request = await make(session, `${REQUESTS}/200-`, asked);
    const lock = `${LOCKS}/${request.slice(REQUESTS.length + 1)}`;
    const pending = encodeRequest(newRequest(1, { state: "pending", nodeTypes: ["small"] }));
    const [, , , first] = await session.multi([
      create(lock, "persistent"),
      create(`${lock}/a__lock__`, "persistent-sequential"),
      { kind: "set", path: request, data: pending, version: 0 },
      create(`${NODES}/`, "persistent-sequential", nodeData(2)),
      create(`${NODES}/`, "persistent-sequential", nodeData(3)),
      create(`${LOCKS}/unused`, "persistent"),
    ]);
    assert.ok(first?.kind === "create");
    await view.settled();
    assert.equal(view.node(first.path.slice(NODES.length + 1))?.record?.stateTime, 2);
    await session.set(first.path, nodeData(4), 0);
    await session.multi([
      { kind: "set", path: first.path, data: nodeData(5), version: 1 },
      { kind: "delete", path: `${LOCKS}/unused`, version: -1 },
      create(`${LOCKS}/unused`, "persistent"),
    ]);
    await view.settled();
    const refused = session.multi([
      { kind: "set", path: first.path, data: nodeData(6), version: 2 },
      { kind: "check", path: request, version: 99 },
    ]);
    await assert.rejects(refused, /BAD_VERSION/);
    await session.multi([
      { kind: "set", path: request, data: asked, version: 1 },
      { kind: "set", path: request, data: pending, version: 2 },
      { kind: "delete", path: `${lock}/a__lock__0000000000`, version: -1 },
      { kind: "delete", path: lock, version: -1 },
    ]);
    await view.settled();
    assert.deepEqual(reads, []);
    assert.deepEqual(shown(view), shown(await openCurrent(other)));
    assert.equal(view.node(first.path.slice(NODES.length + 1))?.record?.stateTime, 5);
  });

  it("reads no znode that a transaction of its own has created and nothing else, alone and beside others", async () => {
    const [plain, other] = await freshSessions();
    const { session, reads } = listening(plain);
    const view = await openCurrent(session);
    reads.length = 0;
    const makeNode = (time: number) => make(session, `${NODES}/`, nodeData(time));
    await makeNode(0);
    await Promise.all([makeNode(1), makeNode(2)]);
    const set: Operation = { kind: "set", path: `${NODES}/0000000000`, data: nodeData(3), version: 0 };
    await Promise.all([makeNode(4), session.multi([set]), makeNode(5)]);
    await view.settled();
    assert.deepEqual(
      [...view.nodes()].map(({ record }) => record?.stateTime),
      [3, 1, 2, 4, 5],
    );
    assert.deepEqual(reads, []);
    assert.deepEqual(shown(view), shown(await openCurrent(other)));
  });

  it("reads what somebody else has made, also where it has made one of the same kind", async () => {
    const [session, other] = await freshSessions();
    const view = await openCurrent(session);
    const makers = Array.from({ length: 40 }, (_, turn) =>
      make(turn % 2 === 0 ? session : other, `${NODES}/`, nodeData(turn)),
    );
    await Promise.all(makers);
    await session.sync("/");
    await view.settled();
    const times = [...view.nodes()].map(({ record }) => record?.stateTime ?? -1);
    assert.deepEqual(
      times.sort((a, b) => a - b),
      Array.from({ length: 40 }, (_, turn) => turn),
    );
  });

  it("ends with the last of many writes to one znode, whoever made it, and never goes back", async () => {
    const [one, other] = await freshSessions();
    const views = [await openCurrent(one), await openCurrent(other)];
    const path = await make(one, `${NODES}/`, nodeData(0));
    const id = path.slice(NODES.length + 1);
    const backwards: number[] = [];
    for (const view of views) {
      let last = 0;
      view.subscribe(() => {
        const version = view.node(id)?.version ?? 0;
        if (version < last) backwards.push(version);
        last = version;
      });
    }
    const write = async (session: Session, turn: number) => {
      const version = turn % 3 === 0 ? turn : -1;
      const data = nodeData(turn);
      if (turn % 2 === 0) await session.set(path, data, version).catch(() => undefined);
      else await session.multi([{ kind: "set", path, data, version }]).catch(() => undefined);
    };
    const writes = Array.from({ length: 300 }, (_, turn) => write(turn % 5 < 2 ? one : other, turn));
    await Promise.all(writes);
    await Promise.all([one.sync("/"), other.sync("/")]);
    const { stat, data } = await one.get(path);
    for (const view of views) {
      await view.settled();
      const entry = view.node(id);
      assert.equal(entry?.version, stat.version);
      assert.deepEqual(entry.record && encodeNode(entry.record), data);
    }
    assert.deepEqual(backwards, []);
  });

  it("never brings back what was deleted, however many writes of ours are on their way", async () => {
    const [one, other] = await freshSessions();
    const view = await openCurrent(one);
    const seen = new Set<string>();
    const gone = new Set<string>();
    const back: string[] = [];
    view.subscribe(({ id }) => {
      if (view.node(id) === undefined) {
        if (seen.has(id)) gone.add(id);
      } else {
        seen.add(id);
        if (gone.has(id)) back.push(id);
      }
    });
    const live = async (turn: number) => {
      const path = await make(one, `${NODES}/`, nodeData(0));
      const set = (version: number) => one.set(path, nodeData(turn), version).catch(() => undefined);
      const deleter = turn % 3 === 0 ? other : one;
      const steps = [set(7), other.set(path, nodeData(turn), -1).catch(() => undefined), set(-1), set(-1)];
      await Promise.all([...steps, deleter.delete(path, -1), set(-1)]);
    };
    await Promise.all(Array.from({ length: 60 }, (_, turn) => live(turn)));
    await one.sync("/");
    await view.settled();
    assert.deepEqual([...view.nodes()], []);
    assert.deepEqual(back, []);
  });
}
