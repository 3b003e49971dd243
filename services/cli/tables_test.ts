import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { DeepPartial, Node } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import { type Answers, ago, nodepool } from "./harness_test.ts";

const READY: DeepPartial<Node> = {
  name: "nodes/0000000000",
  state: "STATE_READY",
  labels: ["fake-label", "other"],
  provider: "fake-provider",
  pool: "main",
  externalId: "4dca0f3c",
  publicIpv4: "198.51.100.1",
  publicIpv6: "2001:db8::1",
  privateIpv4: "10.0.0.1",
  hostname: "np0000000000",
  connectionPort: 22022,
  username: "zuul",
  launcher: "host-1",
  allocatedTo: "nodeRequests/200-0000000003",
  availabilityZone: "az1",
  locked: true,
  stateTime: ago(90_061),
  holdJob: "job",
  comment: "line one\nline \u001b[31mtwo",
};

const IN_USE: DeepPartial<Node> = { name: "nodes/0000000001", state: "STATE_IN_USE", labels: ["fake-label"] };

const nodes: NonNullable<Answers["nodes"]> = {
  listNodes: async ({ pageToken, filter }) => {
    if (filter !== "") return { nodes: [READY] };
    return pageToken === "" ? { nodes: [READY], nextPageToken: "2" } : { nodes: [IN_USE] };
  },
};

test("list prints Nodepool's table, over all pages", async () => {
  const { code, stdout, stderr } = await nodepool({ nodes }, ["list"]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  assert.equal(
    stdout,
    `\
+------------+---------------+------------------+-----------+--------------+-------------+--------+-------------+----------+
| ID         | Provider      | Label            | Server ID | Public IPv4  | IPv6        | State  | Age         | Locked   |
+------------+---------------+------------------+-----------+--------------+-------------+--------+-------------+----------+
| 0000000000 | fake-provider | fake-label,other | 4dca0f3c  | 198.51.100.1 | 2001:db8::1 | ready  | 01:01:01:01 | locked   |
| 0000000001 |               | fake-label       |           |              |             | in-use |             | unlocked |
+------------+---------------+------------------+-----------+--------------+-------------+--------+-------------+----------+
`,
  );
});

test("list --detail adds Nodepool's other columns, and no node steers the terminal", async () => {
  const { stdout } = await nodepool({ nodes }, ["list", "--detail"]);
  const [, header = "", , first = "", second = ""] = stdout.split("\n").map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  assert.deepEqual(header.slice(9), [
    "Pool",
    "Hostname",
    "Private IPv4",
    "AZ",
    "Username",
    "Port",
    "Launcher",
    "Allocated To",
    "Hold Job",
    "Comment",
    "User Data",
    "Driver Data",
  ]);
  assert.deepEqual(first.slice(9), [
    "main",
    "np0000000000",
    "10.0.0.1",
    "az1",
    "zuul",
    "22022",
    "host-1",
    "200-0000000003",
    "job",
    "line one line  [31mtwo",
    "",
    "",
  ]);
  assert.equal(second[14], "redacted");
});

test("an empty listing is the header alone, as Nodepool prints it", async () => {
  const requests = { listRequests: async () => ({}) };
  const { stdout } = await nodepool({ requests }, ["request-list"]);
  assert.equal(
    stdout,
    `\
+------------+----------+-------+-----------+------------+-------+-------------+----------+
| Request ID | Priority | State | Requestor | Node Types | Nodes | Declined By | Event ID |
+------------+----------+-------+-----------+------------+-------+-------------+----------+
+------------+----------+-------+-----------+------------+-------+-------------+----------+
`,
  );
});

test("request-list shows the relative priority, labels, nodes and who declined", async () => {
  const requests: Answers["requests"] = {
    listRequests: async () => ({
      requests: [
        {
          name: "nodeRequests/200-0000000003",
          state: "STATE_PENDING",
          relativePriority: -2n,
          requestor: "zuul",
          labels: ["a", "b"],
          nodes: ["nodes/0000000000", "nodes/0000000001"],
          declinedBy: ["p-main"],
          eventId: "e1",
        },
      ],
    }),
  };
  const { stdout } = await nodepool({ requests }, ["request-list"]);
  assert.equal(
    stdout.split("\n")[3],
    "| 200-0000000003 | -2       | pending | zuul      | a,b        | 0000000000,0000000001 | p-main      | e1       |",
  );
});

const BUILD = "images/debian-12/builds/a8ef0a7a8460401b93490639d45e2f26";
const images: NonNullable<Answers["images"]> = {
  listImages: async () => ({
    images: [
      {
        name: "images/debian-12",
        buildRequest: "BUILD_REQUEST_BUILDING",
        buildRequestTime: ago(2),
        reason: "it is being built here",
        lastError: "a disk is full",
        missingUploads: { b: "paused", a: "no" },
      },
      { name: "images/held", paused: true },
    ],
  }),
  listBuilds: async ({ parent }) => {
    assert.equal(parent, "images/-");
    return {
      builds: [
        { name: BUILD, builder: "host", formats: ["qcow2", "raw"], state: "STATE_READY", stateTime: ago(9) },
        { name: "images/held/builds/b1", state: "STATE_READY" },
      ],
    };
  },
  listUploads: async () => ({
    uploads: ["0000000001", "0000000002"].map((upload) => ({
      name: `${BUILD}/providers/fake-provider/uploads/${upload}`,
      externalName: "debian-12-1795375412",
      externalId: "image-7",
      state: "STATE_UPLOADING",
      stateTime: ago(61),
    })),
  }),
};

test("dib-image-list shows builds, and paused instead of the state when the image is", async () => {
  const { stdout } = await nodepool({ images }, ["dib-image-list"]);
  assert.equal(
    stdout,
    `\
+--------------------------------------------+-----------+---------+-----------+--------+-------------+
| ID                                         | Image     | Builder | Formats   | State  | Age         |
+--------------------------------------------+-----------+---------+-----------+--------+-------------+
| debian-12-a8ef0a7a8460401b93490639d45e2f26 | debian-12 | host    | qcow2,raw | ready  | 00:00:00:09 |
| held-b1                                    | held      |         |           | paused |             |
+--------------------------------------------+-----------+---------+-----------+--------+-------------+
`,
  );
});

test("image-list shows uploads", async () => {
  const { stdout } = await nodepool({ images }, ["image-list"]);
  assert.match(stdout, /^\| Build ID +\| Upload ID +\| Provider +\| Image +\| Provider Image Name +\| Prov/m);
  assert.match(
    stdout,
    /^\| a8ef0a7a8460401b93490639d45e2f26 \| 0000000001 \| fake-provider \| debian-12 \| debian-12-1795375412 \| image-7 {11}\| uploading \| 00:00:01:01 \|$/m,
  );
});

test("image-status shows what is asked of each image, and which uploads are missing", async () => {
  const { stdout } = await nodepool({ images }, ["image-status"]);
  assert.equal(
    stdout,
    `\
+-----------+--------+---------------+-------------------+------------------------+------------------+----------------+
| Image     | Paused | Build Request | Build Request Age | Reason                 | Missing Uploads  | Last Error     |
+-----------+--------+---------------+-------------------+------------------------+------------------+----------------+
| debian-12 | False  | building      | 00:00:00:02       | it is being built here | a: no; b: paused | a disk is full |
| held      | True   |               |                   |                        |                  |                |
+-----------+--------+---------------+-------------------+------------------------+------------------+----------------+
`,
  );
});

test("build-history shows what became of an image's builds, why they were begun and why they failed", async () => {
  const { stdout } = await nodepool(
    {
      images: {
        listBuildHistory: async ({ parent }) => {
          assert.equal(parent, "images/debian-12");
          const given = { name: BUILD, builder: "host", reason: "asked for", startTime: ago(9) };
          return {
            attempts: [{ ...given, result: "RESULT_FAILED", error: "a disk is full", endTime: ago(4) }],
          };
        },
      },
    },
    ["build-history", "debian-12"],
  );
  assert.match(
    stdout,
    /^\| debian-12-a8ef0a7a8460401b93490639d45e2f26 \| host +\| failed \| 00:00:00:09 \| 00:00:00:05 \| asked for \| a disk is full \|$/m,
  );
});

test("info shows a provider's uploads by build, and its nodes", async () => {
  const { stdout } = await nodepool({ images, nodes }, ["info", "fake-provider"]);
  assert.match(stdout, /^ZooKeeper data for provider fake-provider\n\nImage data:\n\+/);
  assert.match(stdout, /\| debian-12 {2}\| a8ef0a7a8460401b93490639d45e2f26 \| 0000000001,0000000002 \|/);
  assert.match(stdout, /\nNodes:\n\+.*\n\| ID {9}\| Server ID \|\n.*\n\| 0000000000 \| 4dca0f3c {2}\|/);
});

test("providers shows how nodes run there and what is wrong", async () => {
  const providers: Answers["providers"] = {
    listProviders: async () => ({
      providers: [
        {
          name: "providers/local",
          driver: "local",
          description: "containers (podman 4.3.1)",
          pools: [{ name: "main", labels: ["a", "b"], maxServers: 4 }],
        },
        { name: "providers/cloud", driver: "openstack", problem: "no such driver" },
      ],
    }),
  };
  const { stdout } = await nodepool({ providers }, ["providers"]);
  assert.match(stdout, /\| local {4}\| local {5}\| containers \(podman 4\.3\.1\) \| main {2}\| a,b {4}\| 4 /);
  assert.match(stdout, /\| cloud {4}\| openstack \| .*\| no such driver \|/);
});

test("--output json is an array of the API's own JSON forms", async () => {
  const { stdout } = await nodepool({ nodes }, ["--output", "json", "list"]);
  const [first, second] = JSON.parse(stdout);
  assert.equal(first.name, "nodes/0000000000");
  assert.equal(first.state, "STATE_READY");
  assert.equal(first.publicIpv4, "198.51.100.1");
  assert.equal(first.stateTime, ago(90_061).toISOString());
  assert.equal(second.state, "STATE_IN_USE");
});

test("export-image-data writes Nodepool's file for its owner only, and import-image-data sends it back by image", async () => {
  const folder = await mkdtemp(join(tmpdir(), "nodepool-cli-"));
  try {
    const file = join(folder, "export.json");
    const data = ["a", "b"].map((image) => ({ path: `/nodepool/images/${image}/builds/1`, data: "{}" }));
    const sent: unknown[] = [];
    const answers: Answers["images"] = {
      exportImageData: async function* () {
        for (const datum of data) yield { datum };
      },
      importImageData: async (request) => {
        sent.push(request.data);
        return { written: request.data.length };
      },
    };
    await nodepool({ images: answers }, ["export-image-data", file]);
    assert.equal(
      await readFile(file, "utf8"),
      '{"/nodepool/images/a/builds/1":"{}","/nodepool/images/b/builds/1":"{}"}',
    );
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const { stderr } = await nodepool({ images: answers }, ["import-image-data", file]);
    assert.deepEqual(sent, [[data[0]], [data[1]]]);
    assert.equal(stderr, "2 records were written, 0 were there already\n");
    await writeFile(file, "[]");
    const refused = await nodepool({ images: answers }, ["import-image-data", file]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /cannot read .*export\.json: expected a JSON object/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
