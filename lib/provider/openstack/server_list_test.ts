import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Clock } from "../../std/clock.ts";
import type { Server } from "./compute.ts";
import { ServerList } from "./server_list.ts";

const server = (id: string, changes: Partial<Server> = {}): Server => ({
  id,
  name: `np${id}`,
  status: "ACTIVE",
  taskState: null,
  fault: null,
  metadata: {},
  addresses: [],
  accessIpv4: null,
  accessIpv6: null,
  hostId: null,
  az: null,
  flavor: null,
  volumes: 0,
  ...changes,
});

/** A clock whose sleeps end at once, and how long they were. */
function hasty(): { clock: Clock; sleeps: number[] } {
  const sleeps: number[] = [];
  let now = 0;
  const clock: Clock = {
    now: () => now,
    sleep: async (milliseconds, signal) => {
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      sleeps.push(milliseconds);
      now += milliseconds;
    },
    after: () => () => {},
  };
  return { clock, sleeps };
}

const never = new AbortController().signal;

describe("the shared list of servers", () => {
  test("all who ask while a list is under way share the next one", async () => {
    const answers: (() => void)[] = [];
    let fetches = 0;
    const list = new ServerList(
      async () => {
        fetches += 1;
        await new Promise<void>((resolve) => answers.push(resolve));
        return [server("1")];
      },
      hasty().clock,
      never,
    );
    const first = list.fresh(never);
    await new Promise((resolve) => setImmediate(resolve));
    const others = [list.fresh(never), list.fresh(never), list.fresh(never)];
    answers.shift()?.();
    await first;
    await new Promise((resolve) => setImmediate(resolve));
    answers.shift()?.();
    await Promise.all(others);
    assert.equal(fetches, 2);
  });

  test("a caller whose time is up leaves, and the others get their list", async () => {
    const open = Promise.withResolvers<void>();
    const list = new ServerList(
      async () => {
        await open.promise;
        return [server("1")];
      },
      hasty().clock,
      never,
    );
    const impatient = new AbortController();
    const left = list.fresh(impatient.signal);
    const stays = list.fresh(never);
    impatient.abort(new Error("the time is up"));
    await assert.rejects(left, /the time is up/);
    open.resolve();
    assert.equal((await stays).size, 1);
  });

  test("fifty that wait are served by one list a time, asked for the less often the longer they have waited", async () => {
    const { clock, sleeps } = hasty();
    let fetches = 0;
    const list = new ServerList(
      async () => {
        fetches += 1;
        return Array.from({ length: 50 }, (_, index) =>
          server(`${index}`, { status: fetches < 12 ? "BUILD" : "ACTIVE" }),
        );
      },
      clock,
      never,
    );
    const active = (id: string) =>
      list.until((servers) => (servers.get(id)?.status === "ACTIVE" ? id : undefined), never);
    const ids = await Promise.all(Array.from({ length: 50 }, (_, index) => active(`${index}`)));
    assert.equal(ids.length, 50);
    assert.equal(fetches, 12);
    assert.equal(sleeps[0], 1000);
    assert.ok((sleeps.at(-1) ?? 0) > 1000);
    assert.ok(Math.max(...sleeps) <= 10_000);
  });

  test("a list that fails is asked for again while somebody waits", async () => {
    let fetches = 0;
    const list = new ServerList(
      async () => {
        fetches += 1;
        if (fetches < 3) throw new Error("503");
        return [server("1")];
      },
      hasty().clock,
      never,
    );
    assert.equal(await list.until((servers) => servers.get("1")?.status, never), "ACTIVE");
  });

  test("of a server whose host cannot be asked the last that was known holds", async () => {
    let isDown = false;
    const list = new ServerList(
      async () => [
        isDown
          ? server("1", { name: "", status: "UNKNOWN", metadata: {} })
          : server("1", { metadata: { a: "b" } }),
      ],
      hasty().clock,
      never,
    );
    await list.fresh(never);
    isDown = true;
    const [seen] = [...(await list.fresh(never)).values()];
    assert.deepEqual([seen?.name, seen?.metadata.a], ["np1", "b"]);
  });
});
