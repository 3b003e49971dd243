// The OpenStack under test as its users see it, without our driver: what is there, and what a test puts there.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { parse } from "yaml";

/** The folder of the clouds.yaml that cloud/up.sh has written; undefined where no such cloud runs. */
const FOLDER = process.env.NODEPOOL_TEST_OPENSTACK || undefined;

/** Why the tests cannot run; null when they can. */
export const NO_CLOUD =
  FOLDER === undefined ? "no OpenStack runs (npm run test:openstack starts and stops one)" : null;

/** The clouds of clouds.yaml: a project with room for much, one with room for two servers, and the administrator's. */
export type CloudName = "nodepool" | "tiny" | "devstack-like";

export type ServiceType = "compute" | "network" | "image" | "volumev3" | "identity";

interface CloudEntry {
  readonly auth: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** The clouds.yaml's entry of a cloud. */
async function cloudEntry(name: CloudName, folder: string): Promise<CloudEntry> {
  const text = await readFile(join(folder, "clouds.yaml"), "utf8");
  const entry = (parse(text) as { clouds: Record<string, CloudEntry> }).clouds[name];
  if (entry === undefined) throw new Error(`${folder}/clouds.yaml has no cloud ${name}`);
  return entry;
}

/** Writes a clouds.yaml of the one cloud `real`, with more keys; its path. */
export async function writeCloudsYaml(
  folder: string,
  name: CloudName,
  keys: Readonly<Record<string, unknown>> = {},
  from = FOLDER ?? "",
): Promise<string> {
  const path = join(folder, "clouds.yaml");
  await writeFile(path, JSON.stringify({ clouds: { real: { ...(await cloudEntry(name, from)), ...keys } } }));
  return path;
}

/** Things in the cloud, each with its id. */
export type Item = Readonly<Record<string, unknown>> & { readonly id: string };

/** What a project holds, as "kind name". */
export type Holdings = readonly string[];

export class CloudUser {
  readonly projectId: string;
  readonly userId: string;
  readonly token: string;
  readonly #endpoints: ReadonlyMap<string, string>;

  private constructor(token: string, body: TokenBody, authUrl: string) {
    this.token = token;
    this.projectId = body.token.project.id;
    this.userId = body.token.user.id;
    const endpoints = body.token.catalog.map(
      ({ type, endpoints }) =>
        [type, endpoints.find((each) => each.interface === "public")?.url ?? ""] as const,
    );
    this.#endpoints = new Map([...endpoints, ["identity", authUrl]]);
  }

  /** @param folder where clouds.yaml is */
  static async login(name: CloudName, folder = FOLDER ?? ""): Promise<CloudUser> {
    const { auth } = await cloudEntry(name, folder);
    const user = { name: auth.username, password: auth.password, domain: { name: "Default" } };
    const scope = { project: { name: auth.project_name, domain: { name: "Default" } } };
    const body = { auth: { identity: { methods: ["password"], password: { user } }, scope } };
    const reply = await fetch(`${auth.auth_url}/auth/tokens`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    });
    if (reply.status !== 201) throw new Error(`no token for ${name}: ${reply.status} ${await reply.text()}`);
    return new CloudUser(
      reply.headers.get("x-subject-token") ?? "",
      (await reply.json()) as TokenBody,
      auth.auth_url ?? "",
    );
  }

  /** Where a service is, by the catalogue; without a slash at its end. */
  endpoint(service: ServiceType): string | undefined {
    const url = this.#endpoints.get(service)?.replace(/\/+$/, "");
    const versions: Partial<Record<ServiceType, string>> = { network: "/v2.0", image: "/v2" };
    return url === undefined ? undefined : `${url}${versions[service] ?? ""}`;
  }

  /** Makes one call, and gives the answer's JSON; null when it has none. Rejects for other answers than 2xx. */
  async call(service: ServiceType, method: string, path: string, body?: unknown): Promise<unknown> {
    const reply = await fetch(`${this.endpoint(service)}${path}`, {
      method,
      headers: { "x-auth-token": this.token, "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${method} ${service} ${path}: ${reply.status} ${text.slice(0, 300)}`);
    return text === "" ? null : JSON.parse(text);
  }

  /** The items under a key of a list. */
  async list(service: ServiceType, path: string, key: string): Promise<Item[]> {
    return ((await this.call(service, "GET", path)) as Record<string, Item[]>)[key] ?? [];
  }

  /** Makes something, as `{key: wish}`, and gives what was made. */
  async make(service: ServiceType, path: string, key: string, wish: object): Promise<Item> {
    return ((await this.call(service, "POST", path, { [key]: wish })) as Record<string, Item>)[key] as Item;
  }

  servers(): Promise<Item[]> {
    return this.list("compute", "/servers/detail", "servers");
  }

  /** Everything that nodes and images can leave in the project: servers, ports of servers, addresses, images, volumes. */
  async holdings(): Promise<Holdings> {
    const mine = `project_id=${this.projectId}`;
    const [servers, ports, addresses, images] = await Promise.all([
      this.servers(),
      this.list("network", `/ports?${mine}`, "ports"),
      this.list("network", `/floatingips?${mine}`, "floatingips"),
      this.list("image", `/images?owner=${this.projectId}`, "images"),
    ]);
    const volumes =
      this.endpoint("volumev3") === undefined
        ? []
        : await this.list("volumev3", "/volumes/detail", "volumes");
    return [
      ...servers.map(({ id, name, status }) => `server ${name} ${status} ${id}`),
      ...ports
        .filter(({ device_owner }) => `${device_owner}`.startsWith("compute:"))
        .map(({ id, device_id }) => `port ${id} of ${device_id}`),
      ...addresses.map(({ floating_ip_address }) => `floating ip ${floating_ip_address}`),
      ...images.map(({ id, name, status }) => `image ${name} ${status} ${id}`),
      ...volumes.map(({ id, status }) => `volume ${id} ${status}`),
    ];
  }
}

interface TokenBody {
  readonly token: {
    readonly project: { readonly id: string };
    readonly user: { readonly id: string };
    readonly catalog: readonly {
      readonly type: string;
      readonly endpoints: readonly { readonly interface: string; readonly url: string }[];
    }[];
  };
}
