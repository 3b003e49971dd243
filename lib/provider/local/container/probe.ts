// Finds out by trying whether, and how, an engine can start a container as nodes need it.
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { messageOf } from "../../../std/errors.ts";
import { ProviderError } from "../../contract.ts";
import { lastReport } from "./docker_api.ts";
import { freePort } from "./free_port.ts";
import { containerOptions, type Tweaks, tweaksToTry } from "./node_container.ts";
import type { AnsweringSocket } from "./socket.ts";

/** Machine code that ends with exit code 0, and how ELF names the processor. */
const PROGRAMS: Readonly<Record<string, { machine: number; code: string }>> = {
  // mov eax, 60; xor edi, edi; syscall
  amd64: { machine: 62, code: "b83c00000031ff0f05" },
  // mov x0, 0; mov x8, 93; svc 0
  arm64: { machine: 183, code: "000080d2a80b80d2010000d4" },
};

/** The smallest program that an image can hold: a static ELF executable that ends at once. */
function tinyProgram({ machine, code }: { machine: number; code: string }): Buffer {
  const [base, headers] = [0x400000, 64 + 56];
  const text = Buffer.from(code, "hex");
  const file = Buffer.alloc(headers + text.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(base + headers), 24);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(5, 68);
  file.writeBigUInt64LE(BigInt(base), 80);
  file.writeBigUInt64LE(BigInt(base), 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(BigInt(file.length), 104);
  file.writeBigUInt64LE(0x1000n, 112);
  text.copy(file, headers);
  return file;
}

async function tinyImage(program: Buffer): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: "probe", mode: 0o755 }, program);
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar) if (chunk instanceof Uint8Array) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * Starts a tiny container, with a published port and limits, in ever more special ways until one works.
 * @throws {ProviderError} with the reason of the plainest way when none does
 */
export async function probeContainers(engine: AnsweringSocket, signal: AbortSignal): Promise<Tweaks> {
  const program = PROGRAMS[engine.architecture];
  if (program === undefined) {
    throw new ProviderError(`containers on the processor ${engine.architecture} are not supported`, {
      retryable: false,
    });
  }
  const { api } = engine;
  const tar = await tinyImage(tinyProgram(program));
  const image = await api.call(signal, async (docker, abortSignal) => {
    const stream = await docker.importImage(Readable.from([tar]), { abortSignal });
    return String((await lastReport(stream as Readable)).status).trim();
  });
  let firstReason = "";
  try {
    for (const tweaks of tweaksToTry()) {
      try {
        await startProbe(engine, image, tweaks, signal);
        return tweaks;
      } catch (error) {
        signal.throwIfAborted();
        if (firstReason === "") firstReason = messageOf(error);
      }
    }
  } finally {
    await api.call(signal, (docker) => docker.getImage(image).remove()).catch(() => {});
  }
  throw new ProviderError(`it cannot start a container: ${firstReason}`);
}

async function startProbe(
  { api }: AnsweringSocket,
  image: string,
  tweaks: Tweaks,
  signal: AbortSignal,
): Promise<void> {
  const options = containerOptions(
    {
      image,
      hostname: "probe",
      labels: {},
      resources: { cores: 1, ram: 64 },
      port: await freePort(),
      command: ["/probe"],
    },
    tweaks,
  );
  const name = `nodepool-probe-${randomBytes(6).toString("hex")}`;
  const container = await api.call(signal, (docker, abortSignal) =>
    docker.createContainer({ ...options, name, abortSignal }),
  );
  try {
    const end = await api.call(signal, async (_docker, abortSignal) => {
      await container.start({ abortSignal });
      return container.wait({ abortSignal });
    });
    if (end.StatusCode !== 0) throw new ProviderError(`the probe ended with exit code ${end.StatusCode}`);
  } finally {
    await api.call(signal, () => container.remove({ force: true, v: true })).catch(() => {});
  }
}
