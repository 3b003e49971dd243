// Which servers a session goes to, and what it says of servers that cannot serve it.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { networkInterfaces } from "node:os";
import { describe, it } from "node:test";
import type { LogFields, Logger } from "../std/logger.ts";
import { LONGEST_SESSION_MS, PATIENCE_MS, refused, until, within } from "./contract/fixture.ts";
import { manualClock } from "./contract/manual_clock.ts";
import {
  behave,
  connect,
  connectInVain,
  SESSION,
  SHORT_TIMEOUT_MS,
  serve,
} from "./contract/scripted_sessions.ts";

const noIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
)
  ? false
  : "needs IPv6 on loopback";

/** A logger that keeps what it is told. */
function recorder(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const keep = (message: string, fields: LogFields = {}) =>
    lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => logger };
  return { logger, lines };
}

describe("the servers of a session", () => {
  it("may change while it runs: it stays where it is if that server is still listed", async () => {
    const [first, second] = [await serve((peer) => behave(peer)), await serve((peer) => behave(peer))];
    const session = connect({ servers: [first] });
    await session.connected();
    session.useServers([second, first]);
    await session.sync("/");
    assert.deepEqual([first.connections, second.connections], [1, 0]);
  });

  it("may change while it runs: it goes to another when its own is not listed any more", async () => {
    const [first, second] = [await serve((peer) => behave(peer)), await serve((peer) => behave(peer))];
    const session = connect({ servers: [first] });
    await session.connected();
    const { signal } = session;
    session.useServers([second]);
    await within(
      PATIENCE_MS,
      until(() => second.connections === 1, "the other server"),
      "move",
    );
    await session.connected();
    await session.sync("/");
    assert.ok(!signal.aborted, "the session is the same");
  });

  it("cannot be none", () => {
    const session = connect({ servers: [{ host: "127.0.0.1", port: 1 }] });
    assert.throws(() => session.useServers([]), /no ZooKeeper server is given/);
  });

  it("are told who we are on each connection, before anything else", async () => {
    const asked: number[] = [];
    const server = await serve(async (peer, connection) => {
      await peer.handshake();
      peer.accept(SESSION, LONGEST_SESSION_MS);
      while (true) {
        const xid = await peer.call();
        if (asked.length < 4) asked.push(xid);
        peer.reply(xid);
        if (connection === 1 && xid > 0) peer.hangUp();
      }
    });
    const session = connect({ servers: [server], identities: [{ scheme: "digest", credentials: "u:p" }] });
    await session.sync("/");
    await within(
      PATIENCE_MS,
      until(() => server.connections === 2, "the next connection"),
      "connect again",
    );
    await session.sync("/");
    assert.deepEqual(asked, [-4, 1, -4, 2]);
  });

  it("that refuse who we are are named, with the scheme and without the secret", async () => {
    const server = await serve(async (peer) => {
      await peer.handshake();
      peer.accept(SESSION, LONGEST_SESSION_MS);
      peer.reply(await peer.call(), { error: -115 });
    });
    const { logger, lines } = recorder();
    connect({ servers: [server], identities: [{ scheme: "digest", credentials: "user:hidden" }], logger });
    await within(
      PATIENCE_MS,
      until(() => lines.length > 0, "a log line"),
      "say so",
    );
    assert.match(lines.join("\n"), new RegExp(`127.0.0.1:${server.port}.*AUTH_FAILED.*scheme digest`));
    assert.doesNotMatch(lines.join("\n"), /hidden/);
  });

  it("that close the connection at once are said to have no quorum, or to want TLS", async () => {
    const server = await serve((peer) => peer.hangUp());
    const { outcome } = connectInVain({ servers: [server] });
    await assert.rejects(
      within(PATIENCE_MS, outcome, "the failure"),
      /before the session began: its ensemble may have no quorum, or it may want TLS/,
    );
  });

  it("whose name is not known are named", async () => {
    const { outcome } = connectInVain({ servers: [{ host: "no-such-host.invalid", port: 2181 }] });
    await assert.rejects(
      within(PATIENCE_MS, outcome, "the failure"),
      /no-such-host\.invalid:2181.*ENOTFOUND|EAI_AGAIN/,
    );
  });

  it("may have IPv6 addresses, which are written in brackets", { skip: noIpv6 }, async () => {
    const server = await serve((peer) => behave(peer), "::1");
    const { logger, lines } = recorder();
    const session = connect({ servers: [server], logger });
    await within(PATIENCE_MS, session.connected(), "connect");
    await session.sync("/");
    assert.match(lines.join("\n"), new RegExp(`"server":"\\[::1\\]:${server.port}"`));
  });

  it("that were set back to an older state get a new session once the old one may have ended", async () => {
    const seen: bigint[] = [];
    const server = await serve(async (peer, connection) => {
      const handshake = await peer.frame();
      const [lastZxid, wanted] = [handshake.readBigInt64BE(4), handshake.readBigInt64BE(16)];
      seen.push(lastZxid);
      if (connection === 1) {
        peer.accept(SESSION, SHORT_TIMEOUT_MS);
        peer.reply(await peer.call(), { zxid: 9n });
        peer.hangUp();
      } else if (lastZxid > 5n) {
        peer.hangUp();
      } else if (wanted === 0n) {
        peer.accept(SESSION + 1n, LONGEST_SESSION_MS);
      } else {
        peer.accept(0n, 0);
      }
    });
    const session = connect({ servers: [server] });
    await session.sync("/");
    const { signal } = session;
    await within(
      PATIENCE_MS,
      until(() => session.sessionId === SESSION + 1n, "the new session"),
      "go on",
    );
    assert.ok(signal.aborted, "the old session has ended");
    assert.equal(seen[1], 9n, "a server that lags behind may refuse us");
  });

  it("that know our session after that time may know an older state of it: it is ended, and a new one begins", async () => {
    const CLOSE = -11;
    const asked: bigint[] = [];
    let closed = 0;
    const server = await serve(async (peer, connection) => {
      const handshake = await peer.frame();
      const [lastZxid, wanted] = [handshake.readBigInt64BE(4), handshake.readBigInt64BE(16)];
      asked.push(wanted);
      if (connection === 1) {
        peer.accept(SESSION, SHORT_TIMEOUT_MS);
        peer.reply(await peer.call(), { zxid: 9n });
        peer.hangUp();
      } else if (lastZxid > 5n) {
        peer.hangUp();
      } else if (wanted === SESSION) {
        peer.accept(SESSION, LONGEST_SESSION_MS);
        const frame = await peer.frame();
        if (frame.readInt32BE(4) === CLOSE) closed += 1;
        peer.reply(frame.readInt32BE(0));
      } else {
        peer.accept(SESSION + 1n, LONGEST_SESSION_MS);
      }
    });
    const session = connect({ servers: [server] });
    await session.sync("/");
    const { signal } = session;
    await within(
      PATIENCE_MS,
      until(() => session.sessionId === SESSION + 1n, "the new session"),
      "go on",
    );
    assert.ok(signal.aborted, "what was held in the old session is known to be lost");
    assert.equal(closed, 1);
    assert.equal(asked.at(-1), 0n);
  });

  it("keep a session through a short break, though the one before it ended while its server was away", async () => {
    const { clock, advance } = manualClock();
    const server = await serve(async (peer, connection) => {
      await peer.handshake();
      if (connection === 1) {
        peer.accept(SESSION, SHORT_TIMEOUT_MS);
        peer.reply(await peer.call());
        peer.hangUp();
      } else if (connection === 2) peer.accept(0n, 0);
      else {
        if (connection === 3) advance(SHORT_TIMEOUT_MS);
        peer.accept(SESSION + 1n, LONGEST_SESSION_MS);
        while (true) {
          peer.reply(await peer.call());
          if (connection === 3) return peer.hangUp();
        }
      }
    });
    const session = connect({
      servers: [server],
      sessionTimeoutMs: LONGEST_SESSION_MS,
      clock: { ...clock, sleep: async () => {} },
    });
    await session.sync("/");
    await until(() => session.sessionId === SESSION + 1n, "the new session");
    const { signal } = session;
    await session.sync("/");
    await until(() => server.connections >= 4, "the connection after the break");
    await session.sync("/");
    assert.ok(!signal.aborted, "the session has ended");
  });

  it("keep a session through a short break, though its connection before took long to be made", async () => {
    const { clock, advance } = manualClock();
    const server = await serve(async (peer, connection) => {
      await peer.handshake();
      peer.accept(SESSION, connection === 1 ? SHORT_TIMEOUT_MS : LONGEST_SESSION_MS);
      const identity = await peer.call();
      if (connection === 2) advance(SHORT_TIMEOUT_MS);
      peer.reply(identity);
      while (true) {
        peer.reply(await peer.call());
        if (connection < 3) return peer.hangUp();
      }
    });
    const session = connect({
      servers: [server],
      sessionTimeoutMs: LONGEST_SESSION_MS,
      clock: { ...clock, sleep: async () => {} },
      identities: [{ scheme: "digest", credentials: "u:p" }],
    });
    const { signal } = session;
    for (const connection of [1, 2, 3]) {
      await until(() => server.connections >= connection, `connection ${connection}`);
      await session.sync("/");
    }
    assert.ok(!signal.aborted, "the session has ended");
  });

  it("that are older than 3.6 are said to be too old", async () => {
    const server = await serve(async (peer) => {
      await peer.handshake();
      peer.accept(SESSION, LONGEST_SESSION_MS);
      while (true) peer.reply(await peer.call(), { error: -6 });
    });
    const session = connect({ servers: [server] });
    await session.connected();
    const watching = session.watchRecursive(
      "/a",
      () => {},
      () => {},
    );
    await assert.rejects(watching, /UNIMPLEMENTED.*ZooKeeper 3\.6 or newer is needed/);
  });

  it("get the watches of the connection before, and no call until they have said yes", async () => {
    const order: string[] = [];
    const server = await serve(async (peer, connection) => {
      await peer.handshake();
      peer.accept(SESSION, LONGEST_SESSION_MS);
      while (true) {
        const xid = await peer.call();
        order.push(`${connection}:${xid < 0 ? "watches" : "call"}`);
        if (connection === 1 && order.length === 2) return peer.hangUp();
        // The watches are answered late: a call that was made meanwhile must wait for that.
        if (xid === -8) await new Promise((resolve) => setTimeout(resolve, 50));
        peer.reply(xid, { body: Buffer.alloc(4) });
      }
    });
    const session = connect({ servers: [server] });
    let resets = 0;
    await session.connected();
    await session.watchRecursive(
      "/a",
      () => {},
      () => (resets += 1),
    );
    await refused(session.sync("/"), "CONNECTION_LOSS");
    await within(PATIENCE_MS, session.sync("/"), "the call on the next connection");
    assert.deepEqual(order, ["1:call", "1:call", "2:watches", "2:call"]);
    assert.equal(resets, 1);
  });
});
