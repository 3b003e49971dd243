// Answers to administrators' four-letter commands (`echo srvr | nc HOST PORT`).

/** What the answers are made of. */
export interface Status {
  readonly zxid: number;
  readonly znodes: number;
  readonly ephemerals: number;
  readonly connections: readonly string[];
  readonly sessions: number;
  readonly watches: number;
  readonly packetsReceived: number;
  /** Why writes are refused, or null. */
  readonly failure: string | null;
}

const version = "3.8.0-nodepool-embedded";

const commands = new Set(["ruok", "srvr", "stat", "mntr", "envi"]);

/** The answer to a command, or null when the word is none. */
export function answerCommand(word: string, status: () => Status): string | null {
  if (!commands.has(word)) return null;
  const now = status();
  switch (word) {
    case "mntr":
      return monitor(now);
    case "stat":
      return `Zookeeper version: ${version}\nClients:\n${clients(now)}\n${summary(now)}`;
    case "envi":
      // kazoo learns the version from here.
      return `Environment:\nzookeeper.version=${version}\n`;
    case "srvr":
      return `Zookeeper version: ${version}\n${summary(now)}`;
    default:
      return now.failure === null ? "imok" : `writes are refused: ${now.failure}\n`;
  }
}

function clients(status: Status): string {
  return status.connections.map((address) => ` /${address}[1]\n`).join("");
}

function summary(status: Status): string {
  return [
    `Received: ${status.packetsReceived}`,
    `Connections: ${status.connections.length}`,
    `Zxid: 0x${status.zxid.toString(16)}`,
    "Mode: standalone",
    `Node count: ${status.znodes}`,
    "",
  ].join("\n");
}

function monitor(status: Status): string {
  const values: [string, string | number][] = [
    ["zk_version", version],
    ["zk_server_state", "standalone"],
    ["zk_znode_count", status.znodes],
    ["zk_ephemerals_count", status.ephemerals],
    ["zk_watch_count", status.watches],
    ["zk_num_alive_connections", status.connections.length],
    ["zk_global_sessions", status.sessions],
    ["zk_packets_received", status.packetsReceived],
  ];
  return values.map(([name, value]) => `${name}\t${value}\n`).join("");
}
