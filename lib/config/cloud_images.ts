// The entries of a provider's `cloud-images`: images that are in the cloud already, and how jobs get into them.
import type { ProviderConfig } from "./types.ts";

export interface CloudImageConfig {
  /** Null: nothing is said of it, and whoever logs in takes his own default. */
  readonly username: string | null;
  readonly pythonPath: string;
  readonly shellType: string | null;
  readonly connectionType: string;
  readonly connectionPort: number;
}

/** What is said of a cloud image; what is left out has Nodepool's defaults. */
export function cloudImageOf(provider: Pick<ProviderConfig, "settings">, name: string): CloudImageConfig {
  const listed = provider.settings["cloud-images"];
  const entries = (Array.isArray(listed) ? listed : []) as readonly Readonly<Record<string, unknown>>[];
  // Of several with the same name the last one counts.
  const keys = entries.findLast((entry) => entry?.name === name) ?? {};
  const text = (key: string) => (typeof keys[key] === "string" ? keys[key] : null);
  const connectionType = text("connection-type") ?? "ssh";
  const port = keys["connection-port"];
  return {
    username: text("username"),
    pythonPath: text("python-path") ?? "auto",
    shellType: text("shell-type"),
    connectionType,
    connectionPort: typeof port === "number" ? port : connectionType === "winrm" ? 5986 : 22,
  };
}
