// Requests as data, and what a server answers to them in a form that can be compared with another server's answers.
import { Buffer } from "node:buffer";
import { errorCode, opCode, type Reader, type Writer } from "../../lib/zookeeper/embedded/wire.ts";
import { readStat, TestClient, writeCreate, writeSteps } from "../harness/embedded_client.ts";

/** One request: its type, a name for the failure message, and its body. */
export interface Step {
  readonly type: number;
  readonly name: string;
  readonly write: (writer: Writer) => void;
}

/** The types of all requests that read. */
export const readTypes = [
  opCode.exists,
  opCode.getData,
  opCode.getChildren,
  opCode.getChildren2,
  opCode.getAcl,
];

export const create = (path: string, data = "", flags = 0, type: number = opCode.create): Step => ({
  type,
  name: `create ${path} flags ${flags} type ${type}`,
  write: (writer) => writeCreate(writer, path, data, flags),
});
export const remove = (path: string, version = -1): Step => ({
  type: opCode.delete,
  name: `delete ${path} version ${version}`,
  write: (writer) => writer.string(path).int(version),
});
export const set = (path: string, data: string | null, version = -1): Step => ({
  type: opCode.setData,
  name: `set ${path} version ${version}`,
  write: (writer) =>
    writer
      .string(path)
      .buffer(data === null ? null : Buffer.from(data))
      .int(version),
});
export const check = (path: string, version = -1): Step => ({
  type: opCode.check,
  name: `check ${path} version ${version}`,
  write: (writer) => writer.string(path).int(version),
});
export const read = (type: number, path: string, watch = false): Step => ({
  type,
  name: `read (type ${type}) ${path} ${watch ? "with watch" : ""}`,
  write: (writer) => (type === opCode.getAcl ? writer.string(path) : writer.string(path).bool(watch)),
});
export const several = (steps: readonly Step[], type: number = opCode.multi): Step => ({
  type,
  name: `multi [${steps.map((step) => step.name).join("; ")}]`,
  write: (writer) =>
    writeSteps(
      writer,
      steps.map((step) => [step.type, step.write] as const),
    ),
});
export const withPathAndInt = (type: number, path: string, value: number): Step => ({
  type,
  name: `type ${type} ${path} ${value}`,
  write: (writer) => writer.string(path).int(value),
});

/** What differs between two servers without meaning: session ids, zxids, times. */
class Anonymizer {
  readonly #session: bigint;
  readonly #zxids = new Map<number, string>();

  constructor(session: bigint) {
    this.#session = session;
  }

  stat(reader: Reader): unknown {
    const { czxid, mzxid, pzxid, ctime, mtime, ephemeralOwner, ...rest } = readStat(reader);
    return {
      ...rest,
      zxids: [czxid, mzxid, pzxid].map((zxid) => this.#zxid(zxid)),
      changedSinceCreation: mtime > ctime || mzxid > czxid,
      ephemeral: ephemeralOwner === this.#session ? "ours" : ephemeralOwner === 0n ? "no" : "another's",
    };
  }

  #zxid(zxid: number): string {
    const known = this.#zxids.get(zxid);
    if (known) return known;
    const name = zxid === 0 ? "0" : `#${this.#zxids.size}`;
    this.#zxids.set(zxid, name);
    return name;
  }
}

function body(type: number, reader: Reader, anonymizer: Anonymizer): unknown {
  const bytes = () => Buffer.from(reader.buffer() ?? "(null)").toString();
  const names = () => reader.vector((each) => each.string()).sort();
  switch (type) {
    case opCode.create:
    case opCode.sync:
      return reader.string();
    case opCode.create2:
      return [reader.string(), anonymizer.stat(reader)];
    case opCode.exists:
    case opCode.setData:
    case opCode.setAcl:
      return anonymizer.stat(reader);
    case opCode.getData:
      return [bytes(), anonymizer.stat(reader)];
    case opCode.getChildren:
      return names();
    case opCode.getChildren2:
      return [names(), anonymizer.stat(reader)];
    case opCode.getAcl:
      return [reader.vector((each) => [each.int(), each.string(), each.string()]), anonymizer.stat(reader)];
    case opCode.multi:
    case opCode.multiRead:
      return steps(reader, anonymizer);
    default:
      return reader.remaining;
  }
}

function steps(reader: Reader, anonymizer: Anonymizer): unknown[] {
  const results: unknown[] = [];
  while (true) {
    const [type, done, error] = [reader.int(), reader.bool(), reader.int()];
    if (done) return [...results, ["end", type, error, reader.remaining]];
    const hasBody = type !== opCode.delete && type !== opCode.check;
    const result = type === opCode.error ? reader.int() : hasBody ? body(type, reader, anonymizer) : "";
    results.push([type, error, result]);
  }
}

/** Asks one server; returns what it said, events in their place. */
export async function transcript(
  port: number,
  script: readonly Step[],
  watcher: readonly Step[],
): Promise<unknown[]> {
  const client = await TestClient.start(port, { timeout: 8_000 });
  const other = await TestClient.start(port, { timeout: 8_000 });
  const anonymizer = new Anonymizer(client.sessionId);
  const lines: unknown[] = [];
  for (const step of watcher) lines.push([step.name, (await other.call(step.type, step.write)).error]);
  let [seen, seenByOther] = [0, 0];
  for (const step of script) {
    const { error, reader } = await client.call(step.type, step.write);
    const answer = error === errorCode.ok ? body(step.type, reader, anonymizer) : reader.remaining;
    await other.call(opCode.exists, (writer) => writer.string("/").bool(false));
    lines.push({
      step: step.name,
      error,
      answer,
      // The reply's own place shows that events come before it.
      heard: client.received.slice(seen).map((item) => (typeof item === "number" ? "reply" : item)),
      otherHeard: other.events.slice(seenByOther),
    });
    [seen, seenByOther] = [client.received.length, other.events.length];
  }
  await client.close();
  lines.push({ step: "close", otherHeard: await lastEvents(other, seenByOther) });
  await other.close();
  return lines;
}

/** Events after the first client's end, in no order: ZooKeeper removes ephemerals in none. */
async function lastEvents(client: TestClient, seen: number): Promise<string[]> {
  await client.call(opCode.sync, (writer) => writer.string("/"));
  return client.events
    .slice(seen)
    .map(({ type, path }) => `${type} ${path}`)
    .sort();
}

/** Requests drawn from a small tree, so that they meet. */
export function randomScript(seed: number, root: string, length: number): Step[] {
  let state = seed;
  const draw = (below: number) => {
    // A linear congruential generator: the same seed gives the same script.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
  const path = () => `${root}${["", "/a", "/b", "/a/x", "/a/y", "/b/x", "/a/x/1", "/b/x/2"][draw(8)]}`;
  const write = (): Step => {
    const version = draw(3) === 0 ? draw(3) : -1;
    switch (draw(5)) {
      case 0:
        return remove(path(), version);
      case 1:
        return set(path(), String(draw(100)), version);
      case 2:
        return check(path(), version);
      default:
        return create(
          path(),
          String(draw(10)),
          [0, 0, 0, 1, 2, 3][draw(6)],
          draw(2) ? opCode.create : opCode.create2,
        );
    }
  };
  return Array.from({ length }, () => {
    const choice = draw(10);
    if (choice < 2) return several(Array.from({ length: 1 + draw(4) }, write));
    if (choice < 5) return read(readTypes[draw(5)] ?? opCode.exists, path(), draw(2) === 0);
    const step = write();
    return step.type === opCode.check ? several([step]) : step;
  });
}
