import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { ProviderError } from "../../contract.ts";
import { lastReport } from "./docker_api.ts";

/** A stream that brings these bytes in pieces of one. */
function bytewise(text: string): Readable {
  return Readable.from([...Buffer.from(text)].map((byte) => Buffer.from([byte])));
}

describe("the report of a container engine", () => {
  it("is its last line, whatever pieces it comes in", async () => {
    const lines = '{"status": "Lädt"}\n\n{"stream": "größe: 包"}\n';
    assert.deepEqual(await lastReport(bytewise(lines)), { stream: "größe: 包" });
  });

  it("is refused with the engine's own words where a line is an error", async () => {
    const lines = '{"status": "Pulling"}\n{"error": "kein Platz für 包"}\n{"status": "Done"}\n';
    await assert.rejects(lastReport(bytewise(lines)), new ProviderError("kein Platz für 包"));
  });

  it("is empty where the engine says nothing", async () => {
    assert.deepEqual(await lastReport(bytewise("")), {});
  });
});
