import type { Cursor } from "./cursor.ts";
import type { RootRow } from "./schema.ts";
import type { ZooKeeperConfig } from "./types.ts";

type ServerRow = RootRow["zookeeper-servers"][number];
type TlsRow = RootRow["zookeeper-tls"];

const TLS_KEYS = ["cert", "key", "ca"] as const;

/** The files for TLS, or null without any. Those of the secure file take the place of the other's, all three together. */
export function readTls(main: TlsRow, secure: TlsRow): ZooKeeperConfig["tls"] {
  const row = [secure, main].find((each) => each !== undefined && each.at.given(TLS_KEYS).length > 0);
  if (row === undefined) return null;
  for (const key of TLS_KEYS) if (row[key] === undefined) row.at.error(`${key} is missing`);
  return { cert: row.cert ?? "", key: row.key ?? "", ca: row.ca ?? "" };
}

/** The ensemble, or null when no server is named. */
export function readZooKeeper(
  servers: readonly ServerRow[],
  tls: ZooKeeperConfig["tls"],
  timeout: number,
): ZooKeeperConfig | null {
  if (servers.length === 0) return null;
  const chroot = commonChroot(servers);
  return {
    servers: servers.map((server) => ({
      host: server.host.replace(/^\[(.*)\]$/, "$1"),
      port: server.port,
      chroot,
    })),
    tls,
    timeout,
  };
}

/** One chroot for all servers: Nodepool's own client takes it from the end of the list. */
function commonChroot(servers: readonly ServerRow[]): string {
  const chroots = servers.map((server) => server.chroot.replace(/\/+$/, ""));
  const place = (index: number): Cursor | null => servers[index]?.at.key("chroot") ?? null;
  for (const [index, chroot] of chroots.entries()) {
    if (chroot !== "" && !/^(\/(?!\.{1,2}(\/|$))[^/\s]+)+$/.test(chroot)) {
      place(index)?.refuse("a path as /nodepool");
    }
  }
  const last = chroots.at(-1) ?? "";
  const given = chroots.flatMap((chroot, index) => (chroot === "" ? [] : [index]));
  const early = given.filter((index) => index < servers.length - 1);
  const first = early[0];
  if (first === undefined) return last;
  if (chroots.some((chroot) => chroot !== last)) {
    place(first)?.error("all servers must have the same chroot; write it at the last server only");
  } else {
    place(first)?.warning(
      "Python Nodepool misreads a chroot at several servers; write it at the last server only",
    );
  }
  return last;
}
