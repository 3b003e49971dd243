// HTTP/2 proxies (Debian's packages haproxy and nginx) in front of servers, as deploy/proxy/ sets them up.
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "./launcher.ts";
import { freePort, isListening } from "./ports.ts";
import { PROJECT, type Program, startCommand } from "./program.ts";

/** The proxies, and where Debian has them. */
const PROXIES = { haproxy: "/usr/sbin/haproxy", nginx: "/usr/sbin/nginx" } as const;
export type ProxyName = keyof typeof PROXIES;
export const PROXY_NAMES = Object.keys(PROXIES) as ProxyName[];

/** Whether they can be started here. */
export const proxiesInstalled = Object.values(PROXIES).every((path) => existsSync(path));

/** The address that the files of deploy/proxy/ listen on, and those of the servers behind it. */
const IN_FILES = ["127.0.0.1:8980", "127.0.0.1:8990", "127.0.0.1:8992"] as const;

/** A running proxy. */
export interface Http2Proxy {
  readonly address: string;
  readonly program: Program;
}

/** Starts a proxy in front of two servers or more, which need not run yet; its files are kept in the folder. */
export async function startHttp2Proxy(
  name: ProxyName,
  folder: string,
  servers: readonly [string, string, ...string[]],
): Promise<Http2Proxy> {
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const file = name === "haproxy" ? "haproxy.cfg" : "nginx.conf";
  let text = await readFile(join(PROJECT, "deploy/proxy", file), "utf8");
  const [first, second, ...more] = servers;
  for (const [index, own] of [address, first, second].entries())
    text = text.replace(IN_FILES[index] ?? "", own);
  const line = text.split("\n").find((one) => one.includes(second)) ?? "";
  const lines = more.map((server) => line.replace(second, server).replace("launcher-2", server));
  text = text.replace(line, [line, ...lines].join("\n"));
  await writeFile(join(folder, file), text);
  const program = startCommand(PROXIES[name], await wordsFor[name](folder, file));
  await until(`${name} listens`, () => isListening(port));
  return { address, program };
}

const wordsFor: Readonly<Record<ProxyName, (folder: string, file: string) => Promise<string[]>>> = {
  haproxy: async (folder, file) => ["-db", "-f", join(folder, file)],
  nginx: async (folder, file) => {
    const whole = join(folder, "whole.conf");
    await writeFile(whole, `events {} http { access_log off; include ${join(folder, file)}; }`);
    const globals = `daemon off; pid ${join(folder, "pid")}; error_log stderr;`;
    return ["-p", folder, "-e", "stderr", "-c", whole, "-g", globals];
  },
};
