import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../std/clock.ts";
import { ChangeFeed, type ChangeFeedOptions, type FeedItem, type WatchOptions } from "./change_feed.ts";

/** Of words that tell themselves. */
const feedOfWords = (options: Partial<ChangeFeedOptions<string, string>> = {}) =>
  new ChangeFeed<string, string>({ tell: (word) => word, ...options });

/** Reads `count` items, then ends the watch. */
async function take<T>(
  feed: ChangeFeed<T, T>,
  count: number,
  options: Partial<WatchOptions<T>> = {},
): Promise<FeedItem<T>[]> {
  const signal = new AbortController().signal;
  const items: FeedItem<T>[] = [];
  const watch = feed.watch({ resumeToken: "", snapshot: () => [], signal, ...options });
  for await (const item of watch) {
    items.push(item);
    if (items.length === count) break;
  }
  return items;
}

const shown = (items: FeedItem<string>[]) => items.map((item) => item.event ?? item.bookmark);

test("a watch begins with the snapshot and a bookmark, then follows", async () => {
  const feed = feedOfWords();
  feed.publish("before");
  const reading = take(feed, 4, { snapshot: () => ["a", "b"] });
  await new Promise((resolve) => setImmediate(resolve));
  feed.publish("c");
  assert.deepEqual(shown(await reading), ["a", "b", { synced: true }, "c"]);
});

test("a change made while the snapshot is being sent is not lost", async () => {
  const feed = feedOfWords();
  const signal = new AbortController().signal;
  const watch = feed.watch({ resumeToken: "", snapshot: () => ["a", "b"], signal });
  const first = await watch.next();
  assert.equal(first.value?.event, "a");
  feed.publish("c");
  const rest = [await watch.next(), await watch.next(), await watch.next()];
  assert.deepEqual(
    rest.map(({ value }) => value?.event ?? value?.bookmark),
    ["b", { synced: true }, "c"],
  );
  await watch.return();
});

test("a watch resumes after its token without a snapshot", async () => {
  const feed = feedOfWords();
  feed.publish("one");
  const reading = take(feed, 2, { snapshot: () => [] });
  await new Promise((resolve) => setImmediate(resolve));
  feed.publish("two");
  const token = (await reading)[1]?.token ?? "";
  feed.publish("three");
  const resumed = await take(feed, 2, {
    resumeToken: token,
    snapshot: () => assert.fail("a resumed watch takes no snapshot"),
  });
  assert.deepEqual(shown(resumed), ["three", { synced: true }]);
});

test("a watch that resumes is told once of what has changed several times, as it is by then", async () => {
  const states = new Map<string, string>();
  const feed = feedOfWords({ tell: (name) => `${name} ${states.get(name) ?? "gone"}`, epoch: "here" });
  const change = (name: string, state: string) => {
    states.set(name, state);
    feed.publish(name);
  };
  change("before", "new");
  change("twice", "new");
  change("once", "new");
  change("twice", "old");
  states.delete("once");
  const items = await take(feed, 3, { resumeToken: "here.1" });
  assert.deepEqual(
    items.map(({ event, token }) => [event, token]),
    [
      ["once gone", "here.3"],
      ["twice old", "here.4"],
      [undefined, "here.4"],
    ],
  );
});

test("the items of a snapshot carry the token that begins again", async () => {
  const items = await take(feedOfWords(), 2, { snapshot: () => ["a"] });
  assert.equal(items[0]?.token, "");
  assert.notEqual(items[1]?.token, "");
});

test("a token that is too old, from the future or from elsewhere is refused", async () => {
  const feed = feedOfWords({ capacity: 2, epoch: "here" });
  for (const event of ["1", "2", "3"]) feed.publish(event);
  for (const resumeToken of ["here.0", "here.4", "there.2", "here.x", "here.-1", "here.2.3", "junk"]) {
    await assert.rejects(take(feed, 1, { resumeToken }), /resume token is too old or from another server/);
  }
  assert.deepEqual(shown(await take(feed, 2, { resumeToken: "here.1" })), ["2", "3"]);
});

test("a watcher that does not read is ended, and the others go on", async () => {
  const feed = feedOfWords({ capacity: 3 });
  const signal = new AbortController().signal;
  const slow = feed.watch({ resumeToken: "", snapshot: () => [], signal });
  await slow.next();
  const quick = take(feed, 6);
  for (let index = 0; index < 5; index += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    feed.publish(String(index));
  }
  assert.deepEqual(shown(await quick), [{ synced: true }, "0", "1", "2", "3", "4"]);
  await assert.rejects(slow.next(), /fell behind by 3 events/);
  assert.equal(feed.watchers, 0);
});

test("an aborted watch ends without an error and leaves nothing behind", async () => {
  const feed = feedOfWords();
  const controller = new AbortController();
  const reading = take(feed, 9, { snapshot: () => ["a"], signal: controller.signal });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(feed.watchers, 1);
  controller.abort();
  assert.deepEqual(shown(await reading), ["a", { synced: true }]);
  assert.equal(feed.watchers, 0);
});

test("bookmarks come at their interval with the token of the moment", async () => {
  let ring = () => {};
  const clock: Clock = {
    now: () => 0,
    sleep: async () => {},
    after: (milliseconds, callback) => {
      assert.equal(milliseconds, 30_000);
      ring = callback;
      return () => {};
    },
  };
  const feed = feedOfWords({ clock, epoch: "e" });
  const reading = take(feed, 4);
  await new Promise((resolve) => setImmediate(resolve));
  ring();
  feed.publish("x");
  ring();
  const items = await reading;
  assert.deepEqual(shown(items), [{ synced: true }, { synced: false }, "x", { synced: false }]);
  assert.deepEqual(
    items.map(({ token }) => token),
    ["e.0", "e.0", "e.1", "e.1"],
  );
});
