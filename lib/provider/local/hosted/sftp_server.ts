// OpenSSH's sftp-server for nodes: the image's own where it has one, else this machine's with its libraries.
import { access, chmod, copyFile, mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { runProgram } from "../program.ts";
import { kindInRoot } from "./rooted_path.ts";

const PLACES = [
  "/usr/lib/openssh/sftp-server",
  "/usr/lib/sftp-server",
  "/usr/libexec/openssh/sftp-server",
  "/usr/libexec/sftp-server",
  "/usr/lib/ssh/sftp-server",
  "/usr/lib64/ssh/sftp-server",
];

/** The sftp-server of an unpacked image, as its users see it; null when it has none. */
export async function sftpServerInRoot(root: string): Promise<string | null> {
  for (const place of PLACES) if ((await kindInRoot(root, place)) === "file") return place;
  return null;
}

/** This machine's sftp-server; null when it has none. */
export async function sftpServerOfHost(): Promise<string | null> {
  for (const place of PLACES) {
    try {
      await access(place);
      return place;
    } catch {
      // The next place.
    }
  }
  return null;
}

/** The names in a directory that {@link copySftpServer} made. */
export const SFTP_COPY = { loader: "loader", program: "sftp-server" } as const;

/**
 * Copies this machine's sftp-server with its loader and libraries to `directory`, so that it can run in a root that
 * has none of them: `loader --library-path directory sftp-server`. Resolves with whether this machine has one.
 */
export async function copySftpServer(directory: string, signal: AbortSignal): Promise<boolean> {
  const program = await sftpServerOfHost();
  if (program === null) return false;
  const listed = await runProgram("ldd", [program], signal);
  const libraries = [...listed.stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].flatMap((match) => match[1] ?? []);
  const loader = libraries.find((path) => /\/ld[-\w.]*\.so/.test(path));
  if (loader === undefined) return false;
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const copies = [
    [program, SFTP_COPY.program],
    [loader, SFTP_COPY.loader],
    ...libraries.map((path) => [path, basename(path)] as const),
  ] as const;
  for (const [from, name] of copies) {
    await copyFile(from, join(directory, name));
    await chmod(join(directory, name), 0o755);
  }
  return true;
}
