// What the builder soak has in place of disk-image-create: it is quick, and as well behaved as its mood, which is in a
// file for each image.
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * - `fair`: makes every file, after a moment;
 * - `steady`: does so after longer, so that much can happen meanwhile;
 * - `slow`: takes its time;
 * - `hung`: ends neither by itself nor by SIGTERM;
 * - `broken`: leaves a half and fails;
 * - `lying`: says that all went well, and lacks a file;
 * - `untidy`: makes every file, and leaves a process and a folder;
 * - `wild`: leaves these, and fails.
 */
export const MOODS = ["slow", "hung", "broken", "lying", "untidy", "wild"] as const;
export type Mood = (typeof MOODS)[number] | "fair" | "steady";

const moodPath = (folder: string, image: string) => join(folder, "moods", image);

/** From the next build on. */
export async function setMood(folder: string, image: string, mood: Mood): Promise<void> {
  await writeFile(moodPath(folder, image), mood);
}

/** Writes the command into the folder; its path. */
export async function writeBuildCommand(folder: string): Promise<string> {
  const path = join(folder, "build-image");
  await mkdir(join(folder, "moods"), { recursive: true });
  const lines = [
    "#!/bin/sh",
    'while [ "$1" != -o ]; do if [ "$1" = -t ]; then types=$2; fi; shift; done; out=$2',
    `mood=$(cat "${moodPath(folder, "$DIB_IMAGE_NAME")}" 2>/dev/null || echo fair)`,
    'echo "in a $mood mood"',
    'litter() { setsid sleep 300 >/dev/null 2>&1 & mkdir -p "$TMP_DIR/deep"; echo x >"$TMP_DIR/deep/left"; }',
    "case $mood in",
    "  steady) sleep 1.2 ;;",
    "  slow) sleep 4 ;;",
    "  hung) trap '' TERM; while :; do sleep 1; done ;;",
    '  broken) echo half >"$out.qcow2-new"; echo "no mirror answers" >&2; exit 1 ;;',
    "  lying) exit 0 ;;",
    "  untidy) litter ;;",
    '  wild) litter; echo half >"$out.raw-new"; exit 2 ;;',
    "esac",
    "sleep 0.2",
    'for type in $(echo "$types" | tr , " "); do',
    '  echo "$out" >"$out.$type-new" && mv "$out.$type-new" "$out.$type"',
    "done",
    'mkdir "$out.d"',
  ];
  await writeFile(path, `${lines.join("\n")}\n`);
  await chmod(path, 0o755);
  return path;
}
