import { parseHostKey } from "../../std/host_key.ts";
import type { Cursor } from "../cursor.ts";
import { boolean, integer, list, port, retries, text, textOrTexts, timeout } from "../kinds.ts";
import { expected, optional, record, required } from "../mapping.ts";
import { CONNECTION, driver, SHARED, WITHOUT_EFFECT } from "./driver.ts";

const portText = "Port of the SSH or WinRM server; 22 when it is left out.";

/** A host: its labels are those of the pool. */
const node = record({
  name: required(text, "The host's name or address."),
  labels: required(textOrTexts, "Labels that it serves: a list, or words with blanks between them."),
  username: optional(text, "zuul", "User that jobs log in as."),
  timeout: optional(timeout, 5, "How long to wait for the host's SSH server."),
  "host-key-checking": optional(boolean, true, "Whether the host's SSH keys must be as they are given here."),
  "host-key": optional(textOrTexts, undefined, "SSH public keys of the host; they are scanned if left out."),
  "connection-port": optional(port, undefined, portText),
  "ssh-port": optional(port, undefined, "The old name of connection-port."),
  "connection-type": CONNECTION["connection-type"] ?? optional(text, "ssh"),
  "shell-type": optional(text, undefined, "Shell for Ansible, as cmd or powershell."),
  "max-parallel-jobs": optional(
    integer({ minimum: 0, raises: true }),
    1,
    "Nodes that may share the host; 0: none.",
  ),
  "python-path": optional(text, "auto", "Python on the host; auto lets Ansible find it."),
});

/** The words of a host's labels, with what they are written in. */
export function labelsOf(at: Cursor): { readonly name: string; readonly at: Cursor }[] {
  const labels = at.key("labels");
  if (labels === null) return [];
  if (labels.value.kind === "list") {
    return labels.items().flatMap((item) => {
      const name = item.text();
      return name === null ? [] : [{ name, at: item }];
    });
  }
  const words = labels.text()?.split(/\s+/) ?? [];
  return words.filter((word) => word !== "").map((name) => ({ name, at: labels }));
}

/** Two hosts that nobody can tell apart would share their records. */
function checkIdentities(pools: readonly Cursor[]): void {
  const seen = new Map<string, string>();
  for (const host of pools.flatMap((pool) => pool.key("nodes")?.items() ?? [])) {
    const name = host.key("name");
    if (name === null) continue;
    const user = host.key("username")?.text() ?? "zuul";
    const door = host.key("connection-port")?.text() ?? host.key("ssh-port")?.text() ?? "22";
    const identity = `${user}@${name.text()}:${door}`;
    const before = seen.get(identity);
    if (before !== undefined) {
      name.warning(
        `${identity} is already at ${before}; a host is known by name, username and connection-port: change one, or use max-parallel-jobs`,
      );
    }
    seen.set(identity, before ?? host.path);
  }
}

/** A key that nobody can have keeps its host out; the others are served. */
function checkKeys(pools: readonly Cursor[]): void {
  for (const host of pools.flatMap((pool) => pool.key("nodes")?.items() ?? [])) {
    const keys = host.key("host-key");
    if (keys === null) continue;
    for (const key of keys.value.kind === "list" ? keys.items() : [keys]) {
      const found = parseHostKey(key.text() ?? "");
      if (typeof found === "string") {
        key.warning(
          `is no SSH host key, so the host is not served: ${found}; take the line from its .pub file`,
        );
      }
    }
  }
}

export const staticHosts = driver({
  about: "Machines that are there already",
  provider: {
    // Nothing is launched here.
    own: {
      "boot-timeout": optional(timeout, 60, WITHOUT_EFFECT),
      "launch-timeout": optional(timeout, 3600, WITHOUT_EFFECT),
      "launch-retries": optional(retries, 3, WITHOUT_EFFECT),
    },
    without: [...SHARED.images, ...SHARED.cloudImages],
    check: (at) => {
      const pools = at.key("pools")?.items() ?? [];
      checkIdentities(pools);
      checkKeys(pools);
    },
  },
  pool: {
    own: { nodes: expected(list(node), "The hosts.") },
    without: ["labels", "host-key-checking", "ignore-provider-quota", ...SHARED.amounts],
  },
});
