// One world of the builder's crash tests: an image, a provider that is a folder, and a build command which leaves as
// much as one can. Shared by the test and by the process that dies in it.
import { join } from "node:path";
import { BuilderCase, type BuilderSetting } from "./builder.ts";
import { FolderProvider } from "./folder_provider.ts";

/** Where the server is, and the folder of the case. */
export interface CrashWorld {
  readonly host: string;
  readonly port: number;
  readonly folder: string;
  readonly dibCommand: string;
}

/** Shell lines that build an image and clean nothing up. */
export const UNTIDY = [
  'echo "$out" >>"$here/runs"',
  'mkdir -p "$TMP_DIR/dib_build.X/mnt"; head -c 300000 /dev/zero >"$TMP_DIR/image.raw"; echo half >"$out.qcow2-new"',
  'if [ "$(id -u)" = 0 ] && [ "$(uname)" = Linux ]; then',
  '  losetup -f "$TMP_DIR/image.raw"; mount -t tmpfs tmpfs "$TMP_DIR/dib_build.X/mnt"',
  "fi 2>/dev/null",
  "setsid sleep 300 >/dev/null 2>&1 &",
  'sleep 0.2; echo image >"$out.qcow2"; rm "$out.qcow2-new"; mkdir "$out.d"',
].join("\n");

export function crashSetting({ folder, dibCommand }: CrashWorld): BuilderSetting {
  const envVars = { TMP_DIR: join(folder, "tmp") };
  return {
    images: { ubuntu: { dibCommand, envVars } },
    providers: [{ driver: new FolderProvider("cloud", join(folder, "cloud")), images: ["ubuntu"] }],
  };
}

export function crashCase({ host, port, folder }: CrashWorld): BuilderCase {
  return BuilderCase.at({ host, port }, folder);
}
