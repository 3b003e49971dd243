import { constants } from "node:fs";
import { findProgram, isAccessible, thisMachine } from "./machine.ts";
import type { Requirement } from "./requirements.ts";

// Sizes are those of apt-get on a Debian 12 that has git, Python and Node.js and nothing else of these. All that
// `npm start` asks for is 70 packages, 44 MB to download and 162 MB on disk; podman is most of it (28 packages, 31 MB),
// diskimage-builder comes next (35 packages, 11 MB). docker.io would be 66 MB; it is taken only for the tests.
// ZooKeeper's library with a headless JRE is 75 packages and 88 MB, where the package zookeeper (which brings a
// desktop program) is 150 and 145 MB. All that `npm test` asks for is some 205 packages, 225 MB, 790 MB on disk.

function programs(...names: string[]): () => Promise<boolean> {
  return async () => (await Promise.all(names.map(findProgram))).every((path) => path !== null);
}

/** Where an engine that serves the whole machine listens, best first. */
export const SYSTEM_SOCKETS: readonly string[] = ["/var/run/docker.sock", "/run/podman/podman.sock"];

/** Whether an engine's socket is there. A `docker` command alone is a client, and runs nothing. */
async function hasDockerSocket(): Promise<boolean> {
  return (await Promise.all(SYSTEM_SOCKETS.map((path) => isAccessible(path)))).some((found) => found);
}

const diskimageBuilder: Requirement = {
  name: "diskimage-builder",
  why: "build images (without it a small builder of root file systems takes its place)",
  packages: ["python3-diskimage-builder", "debootstrap", "sudo"],
  optional: true,
  probe: programs("disk-image-create", "debootstrap", "sudo"),
};

const tinyImage: Requirement = {
  name: "static BusyBox and Bash, Dropbear and the SFTP server",
  why: "put a shell and an SSH server into the example image without a network",
  packages: ["busybox-static", "bash-static", "dropbear-bin", "openssh-sftp-server"],
  optional: true,
  probe: async () =>
    (await programs("busybox", "bash-static", "dropbear", "dropbearkey")()) &&
    (await isAccessible("/usr/lib/openssh/sftp-server", constants.X_OK)),
};

const sshClient: Requirement = {
  name: "the OpenSSH client",
  why: "log into nodes",
  packages: ["openssh-client"],
  optional: false,
  probe: programs("ssh"),
};

const containers: Requirement = {
  name: "a container engine",
  why: "run each node in a container of its own (without it nodes run in sandboxes)",
  packages: ["podman", "runc"],
  optional: true,
  probe: async () => (await hasDockerSocket()) || (await programs("podman", "runc")()),
};

const sandbox: Requirement = {
  name: "bubblewrap",
  why: "run nodes in sandboxes where there is no container engine",
  packages: ["bubblewrap"],
  optional: true,
  probe: programs("bwrap"),
};

/** What `npm start` uses. */
export function startRequirements(): readonly Requirement[] {
  return [sshClient, diskimageBuilder, tinyImage, containers, sandbox];
}

const tests: readonly Requirement[] = [
  {
    name: "ZooKeeper",
    why: "test against a real server",
    packages: ["libzookeeper-java", "default-jre-headless"],
    optional: false,
    probe: async () => (await isAccessible("/usr/share/java/zookeeper.jar")) && (await programs("java")()),
  },
  {
    name: "kazoo",
    why: "test that Python clients, Zuul's among them, work with us",
    packages: ["python3-kazoo"],
    optional: false,
    probe: async () => (await thisMachine().run("/usr/bin/python3", ["-c", "import kazoo"])) === 0,
  },
  {
    name: "Podman and runc",
    why: "test nodes in containers",
    packages: ["podman", "runc"],
    optional: false,
    probe: programs("podman", "runc"),
  },
  {
    name: "tini",
    why: "start the builder's container image, whose process 1 it is",
    packages: ["tini"],
    optional: true,
    probe: programs("tini"),
  },
  {
    name: "Docker's engine",
    why: "test nodes in containers of the other engine",
    packages: ["docker.io"],
    optional: true,
    probe: programs("dockerd"),
  },
  {
    name: "Compose",
    why: "check the compose file",
    packages: ["docker-compose"],
    optional: true,
    probe: programs("docker-compose"),
  },
  {
    name: "gRPC for Python",
    why: "run the example of a client in Python",
    packages: ["python3-grpcio"],
    optional: true,
    probe: async () => (await thisMachine().run("/usr/bin/python3", ["-c", "import grpc"])) === 0,
  },
  {
    name: "HAProxy and nginx",
    why: "test launchers behind an HTTP/2 proxy",
    packages: ["haproxy", "nginx"],
    optional: true,
    probe: async () =>
      (await isAccessible("/usr/sbin/haproxy", constants.X_OK)) &&
      (await isAccessible("/usr/sbin/nginx", constants.X_OK)),
  },
  {
    name: "Prometheus",
    why: "check the alerts, and be scraped",
    packages: ["prometheus"],
    optional: true,
    probe: programs("prometheus", "promtool"),
  },
  {
    name: "the OpenSSH server",
    why: "test host key scans against it",
    packages: ["openssh-server"],
    optional: false,
    probe: programs("sshd", "ssh-keygen"),
  },
  {
    name: "qemu-img and mksquashfs",
    why: "test images of other formats than tar",
    packages: ["qemu-utils", "squashfs-tools"],
    optional: true,
    probe: programs("qemu-img", "mksquashfs"),
  },
  {
    name: "systemd-analyze",
    why: "check the systemd units",
    packages: ["systemd"],
    optional: true,
    probe: programs("systemd-analyze"),
  },
];

/** What `npm test` uses. */
export function testRequirements(): readonly Requirement[] {
  const needed = [diskimageBuilder, tinyImage, sandbox].map((each) => ({ ...each, optional: false }));
  return [...tests, ...needed, sshClient];
}
