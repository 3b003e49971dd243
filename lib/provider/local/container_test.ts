// The container engine with real Podman and a real Docker daemon, each with storage of its own.
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { DockerProxy, isCreate, isDelete } from "../../../test/harness/docker_proxy.ts";
import { localConfig, temporaryDirectory } from "../../../test/harness/local_provider.ts";
import { makeRootfs } from "../../../test/harness/rootfs.ts";
import { silentLogger } from "../../std/logger.ts";
import { type Abilities, type ProviderUnderTest, testProvider } from "../contract_suite.ts";
import { openProvider } from "../registry.ts";
import { DockerApi } from "./container/docker_api.ts";
import { askSocket } from "./container/socket.ts";
import { startPodmanService } from "./podman_service.ts";

interface Engine {
  readonly socket: string;
  stop(): Promise<void>;
}

const needsRoot = process.getuid?.() === 0 ? null : "engines with storage of their own need root";

async function place(start: (directory: string) => Promise<Engine>): Promise<ProviderUnderTest> {
  const directory = await temporaryDirectory();
  const rootfs = await makeRootfs();
  const engine = await start(directory.path);
  const proxy = await DockerProxy.start(join(directory.path, "proxy.sock"), engine.socket);
  const config = localConfig({
    engine: "container",
    socket: proxy.socket,
    "state-dir": join(directory.path, "state"),
  });
  const provider = await openProvider(config, { logger: silentLogger });
  await provider.start(AbortSignal.timeout(60_000));
  return {
    provider,
    image: { path: rootfs.path, format: "tar", mark: "made by the harness\n" },
    username: "zuul",
    privateKey: rootfs.privateKey,
    faults: {
      loseCreateReply: () => void proxy.next(isCreate, { kind: "lose" }),
      loseDeleteReply: () => void proxy.next(isDelete, { kind: "lose" }),
      refuseNextCall: () =>
        void proxy.next(() => true, { kind: "answer", status: 429, message: "too many requests" }),
      failNextBoot: () => {
        const Cmd = ["/bin/sh", "-c", "echo out of order >&2; exit 3"];
        void proxy.next(isCreate, { kind: "change", change: (body) => ({ ...body, Cmd }) });
      },
      hang: () => {
        proxy.hang();
        return () => proxy.release();
      },
      addForeignInstance: async (Labels) => {
        const { docker } = new DockerApi(engine.socket);
        const [image] = await provider.listImages(AbortSignal.timeout(60_000));
        const options = { Image: image?.externalId ?? "", Cmd: ["/bin/sh"], Labels };
        return (await docker.createContainer(options)).id;
      },
    },
    close: async () => {
      await provider.stop();
      await proxy.close();
      await engine.stop();
      await rootfs.remove();
      await directory.remove();
    },
  };
}

async function startPodman(directory: string): Promise<Engine> {
  const service = await startPodmanService({
    directory: join(directory, "podman"),
    env: {},
    logger: silentLogger,
    evenIfSocket: true,
  });
  if (service === null) throw new Error("podman does not start (package podman)");
  return service;
}

async function startDocker(directory: string): Promise<Engine> {
  const socket = join(directory, "docker.sock");
  const args = ["--data-root", join(directory, "data"), "--exec-root", join(directory, "exec")];
  const child = spawn("dockerd", [...args, "--pidfile", join(directory, "pid"), "-H", `unix://${socket}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let lastWords = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    lastWords = `${lastWords}${text}`.slice(-2000);
  });
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      lastWords = error.message;
      resolve();
    });
    child.once("close", () => resolve());
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  const limit = AbortSignal.timeout(120_000);
  while (typeof (await askSocket(socket, limit)) === "string") {
    if (limit.aborted || child.exitCode !== null) {
      await stop();
      throw new Error(`dockerd does not start (package docker.io): ${lastWords}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { socket, stop };
}

/** An engine has no quota, and leaves nothing behind but images and containers. Whose an image is, nobody asks. */
const abilities: Abilities = {
  faults: [
    "loseCreateReply",
    "loseDeleteReply",
    "refuseNextCall",
    "failNextBoot",
    "hang",
    "addForeignInstance",
  ],
};

testProvider("the local provider with containers of Podman", () => place(startPodman), needsRoot, abilities);
testProvider("the local provider with containers of Docker", () => place(startDocker), needsRoot, abilities);
