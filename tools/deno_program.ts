import { execFileSync } from "node:child_process";

let path: string | null = null;

/** Where Deno is. What npm links as deno is a Node.js program that starts it: that takes time, and what is measured of it says nothing. */
export function denoProgram(): string {
  path ??= execFileSync("deno", ["eval", "console.log(Deno.execPath())"], { encoding: "utf8" }).trim();
  return path;
}
