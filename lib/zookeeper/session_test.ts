import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import net from "node:net";
import { describe, it } from "node:test";
import {
  LONGEST_SESSION_MS,
  PATIENCE_MS,
  pause,
  refused,
  until,
  untilState,
  within,
} from "./contract/fixture.ts";
import { manualClock } from "./contract/manual_clock.ts";
import { framed } from "./contract/scripted_server.ts";
import {
  behave,
  connect,
  connectInVain,
  SESSION,
  SHORT_TIMEOUT_MS,
  serve,
} from "./contract/scripted_sessions.ts";
import { STAT_BYTES } from "./stat.ts";

/** What an event says that a znode is gone, to a session that is connected. */
function deletionOf(path: string): Buffer<ArrayBuffer> {
  const name = Buffer.from(path);
  const body = Buffer.alloc(12 + name.length);
  body.writeInt32BE(2, 0);
  body.writeInt32BE(3, 4);
  body.writeInt32BE(name.length, 8);
  name.copy(body, 12);
  return body;
}

describe("session", () => {
  it("notices when two thirds of its timeout are over that a server has fallen silent", async () => {
    const server = await serve(async (peer) => {
      await peer.handshake();
      peer.accept(SESSION, SHORT_TIMEOUT_MS);
    });
    const { clock, advance } = manualClock();
    const session = connect({ servers: [server], clock });
    await session.connected();
    const call = refused(session.sync("/"), "CONNECTION_LOSS");
    advance(399);
    assert.equal(session.state, "connected");
    const suspended = untilState(session, "suspended");
    advance(1);
    await within(PATIENCE_MS, suspended, "notice the silence");
    await within(PATIENCE_MS, call, "the end of the call");
  });

  it("keeps an idle connection alive by pings", async () => {
    const server = await serve((peer) => behave(peer, { timeoutMs: SHORT_TIMEOUT_MS }));
    const session = connect({ servers: [server], sessionTimeoutMs: SHORT_TIMEOUT_MS });
    await session.connected();
    await pause(1500);
    assert.equal(session.state, "connected");
    assert.equal(server.connections, 1);
  });

  it("gives up a server that accepts the connection and never answers the handshake", async () => {
    const server = await serve(async (peer, connection) => {
      if (connection > 1) await behave(peer);
    });
    const session = connect({ servers: [server] });
    await within(PATIENCE_MS, session.connected(), "connect at the second attempt");
    assert.equal(server.connections, 2);
  });

  it("looks at what has arrived before it gives a handshake up, when its process was stopped for a while", async () => {
    const server = await serve((peer) => behave(peer));
    const session = connect({ servers: [server] });
    for (const end = performance.now() + 1500; performance.now() < end; );
    await within(PATIENCE_MS, session.connected(), "connect at the first attempt");
    assert.equal(server.connections, 1);
  });

  it("soon tries anew when a handshake is not answered, and gives a slow server more time at each attempt", async () => {
    // A server that starts may keep a connection for ever; one that is busy answers late.
    const server = await serve(async (peer, connection) => {
      if (connection === 1) return;
      await pause(1500);
      await behave(peer);
    });
    const session = connect({ servers: [server] });
    // The session timeout alone would allow 27 s for the first.
    await within(PATIENCE_MS, session.connected(), "connect");
    assert.ok(server.connections >= 2);
  });

  it("settles calls that wait for a connection when the session turns out to be lost", async () => {
    const server = await serve(async (peer, connection) => {
      const asked = await peer.handshake();
      if (connection === 1) {
        peer.accept(SESSION, LONGEST_SESSION_MS);
        await pause(20);
        peer.destroy();
      } else if (asked === SESSION) {
        peer.accept(0n, 0);
      } else {
        peer.accept(SESSION + 1n, LONGEST_SESSION_MS);
        while (true) peer.reply(await peer.call());
      }
    });
    const session = connect({ servers: [server] });
    await session.connected();
    const { signal } = session;
    const lost = untilState(session, "lost");
    await untilState(session, "suspended");
    const queued = session.sync("/");
    await refused(queued, "SESSION_EXPIRED");
    await lost;
    assert.ok(signal.aborted);
    await within(PATIENCE_MS, session.connected(), "begin a new session");
    assert.equal(session.sessionId, SESSION + 1n);
    assert.ok(!session.signal.aborted);
    await session.sync("/");
  });

  it("takes a session id other than its own for the end of its session", async () => {
    const server = await serve((peer, connection) => {
      if (connection === 1) setTimeout(() => peer.destroy(), 50);
      return behave(peer, { sessionId: SESSION + BigInt(connection) });
    });
    const session = connect({ servers: [server] });
    await session.connected();
    const { signal } = session;
    await within(PATIENCE_MS, untilState(session, "lost"), "the loss");
    await session.connected();
    assert.ok(signal.aborted);
    assert.equal(session.sessionId, SESSION + 2n);
  });

  it("forgets half a frame when the connection breaks", async () => {
    const server = await serve(async (peer, connection) => {
      if (connection > 1) return behave(peer);
      await peer.handshake();
      peer.accept(SESSION, LONGEST_SESSION_MS);
      const xid = await peer.call();
      const answer = Buffer.alloc(16);
      answer.writeInt32BE(xid);
      peer.write(framed(answer).subarray(0, 11));
      peer.hangUp();
    });
    const session = connect({ servers: [server] });
    const states: string[] = [];
    session.onState((state) => states.push(state));
    await session.connected();
    await refused(session.sync("/"), "CONNECTION_LOSS");
    await within(PATIENCE_MS, session.connected(), "connect again");
    assert.deepEqual(states, ["connected", "suspended", "connected"]);
    assert.equal(session.sessionId, SESSION);
    await session.sync("/");
  });

  it("survives error codes that it does not know", async () => {
    const codes = [-127, -118, -999];
    const server = await serve(async (peer) => {
      await peer.handshake();
      peer.accept(SESSION, LONGEST_SESSION_MS);
      for (const error of codes) peer.reply(await peer.call(), { error });
      while (true) peer.reply(await peer.call());
    });
    const session = connect({ servers: [server] });
    await refused(session.sync("/"), "THROTTLED");
    await refused(session.sync("/"), "SESSION_MOVED");
    await assert.rejects(session.sync("/"), /UNKNOWN.*-999/);
    await session.sync("/");
    assert.equal(server.connections, 1);
  });

  it("gives up a server that answers pings but not calls", async () => {
    const server = await serve(async (peer) => {
      await peer.handshake();
      peer.accept(SESSION, SHORT_TIMEOUT_MS);
      while (true) await peer.call();
    });
    const session = connect({ servers: [server] });
    await within(PATIENCE_MS, refused(session.sync("/"), "CONNECTION_LOSS"), "the loss");
  });

  it("takes an answer out of order for a lost one", async () => {
    const server = await serve(async (peer, connection) => {
      if (connection > 1) return behave(peer);
      await peer.handshake();
      peer.accept(SESSION, LONGEST_SESSION_MS);
      await peer.call();
      peer.reply(await peer.call());
    });
    const session = connect({ servers: [server] });
    const [first, second] = [session.sync("/"), session.sync("/")];
    await Promise.all([refused(first, "CONNECTION_LOSS"), refused(second, "CONNECTION_LOSS")]);
    await session.connected();
    await session.sync("/");
  });

  it("gives up a server that announces a frame of absurd length", async () => {
    const server = await serve(async (peer, connection) => {
      if (connection > 1) return behave(peer);
      await peer.handshake();
      peer.write(Buffer.from([0x7f, 0xff, 0xff, 0xff]));
    });
    const session = connect({ servers: [server] });
    await within(PATIENCE_MS, session.connected(), "connect again");
    assert.equal(server.connections, 2);
  });

  it("fails calls after a session timeout without a connection, and says why", async () => {
    const closed = net.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => closed.once("listening", resolve));
    const { port } = closed.address() as net.AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const { session, outcome } = connectInVain({ servers: [{ host: "127.0.0.1", port }] });
    await assert.rejects(
      within(PATIENCE_MS, outcome, "the failure"),
      new RegExp(`CONNECTION_LOSS.*127.0.0.1:${port}.*ECONNREFUSED`),
    );
    await session.close();
    await refused(session.get("/a"), "CLOSED");
    await refused(session.connected(), "CLOSED");
  });

  it("goes to another server when one refuses", async () => {
    const first = await serve((peer) => peer.destroy());
    const second = await serve((peer) => behave(peer));
    const session = connect({ servers: [first, second] });
    await within(PATIENCE_MS, session.connected(), "connect to the second server");
    assert.equal(second.connections, 1);
  });

  it("reads thousands of answers that come in one piece", async () => {
    const count = 20_000;
    const server = await serve(async (peer) => {
      await peer.handshake();
      peer.accept(SESSION, LONGEST_SESSION_MS);
      while (true) {
        const answers: Buffer[] = [];
        for (let call = 0; call < 1000; call += 1) {
          const answer = Buffer.alloc(16);
          answer.writeInt32BE(await peer.call());
          answers.push(framed(answer));
        }
        peer.write(Buffer.concat(answers));
      }
    });
    const session = connect({ servers: [server] });
    await session.connected();
    await within(
      PATIENCE_MS,
      Promise.all(Array.from({ length: count }, () => session.sync("/"))),
      "all answers",
    );
  });

  it("takes a deletion's event for the end of a wait, and asks no second time", async () => {
    const server = await serve(async (peer) => {
      await peer.handshake();
      peer.accept(SESSION, LONGEST_SESSION_MS);
      // An answer with neither data nor anything in its stat; then nothing but the event.
      peer.reply(await peer.call(), { body: Buffer.alloc(4 + STAT_BYTES) });
      await pause(50);
      peer.reply(-1, { body: deletionOf("/a") });
    });
    const session = connect({ servers: [server] });
    await within(PATIENCE_MS, session.gone("/a"), "the end of the wait");
  });

  it("settles everything when it is closed, with a connection or without", async () => {
    const server = await serve(async (peer) => {
      await peer.handshake();
      peer.accept(SESSION, SHORT_TIMEOUT_MS);
    });
    const session = connect({ servers: [server], sessionTimeoutMs: SHORT_TIMEOUT_MS });
    await session.connected();
    const { signal } = session;
    const call = session.sync("/");
    const gone = session.gone("/a");
    const outcomes = Promise.all([refused(call, "CLOSED"), refused(gone, "CLOSED")]);
    await within(PATIENCE_MS, session.close(), "close");
    await outcomes;
    assert.ok(signal.aborted);
    assert.equal(session.state, "closed");

    const unconnected = connect({ servers: [server] });
    const waiting = refused(unconnected.sync("/"), "CLOSED");
    await within(PATIENCE_MS, unconnected.close(), "close at once");
    await waiting;
  });

  it("waits for the server to have heard of its end, behind the answers to what was asked before", async () => {
    let hasHeard = false;
    const server = await serve(async (peer) => {
      await peer.handshake();
      peer.accept(SESSION, LONGEST_SESSION_MS);
      const [call, goodbye] = [await peer.call(), await peer.call()];
      peer.reply(call);
      await new Promise((resolve) => setTimeout(resolve, 50));
      hasHeard = true;
      peer.reply(goodbye);
    });
    const session = connect({ servers: [server] });
    await session.connected();
    const call = refused(session.sync("/"), "CLOSED");
    await within(PATIENCE_MS, session.close(), "close");
    await call;
    assert.ok(hasHeard, "the connection was given up while the server had not read everything");
  });

  it("leaves no listener behind on a signal that outlives its waits", async () => {
    const server = await serve((peer) => behave(peer));
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    const session = connect({ servers: [server] });
    await session.connected(signal);
    await until(() => listeners === 0, "the listener to be taken off");
  });
});
