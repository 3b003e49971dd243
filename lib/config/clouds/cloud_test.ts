import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type Cloud, resolveCloud } from "./cloud.ts";
import { CloudConfigError, readCloudFiles } from "./files.ts";

const folders: string[] = [];
after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

/** Resolves a cloud of files with these texts. */
async function resolve(
  given: {
    readonly clouds?: string;
    readonly secure?: string;
    readonly vendor?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly region?: string;
  },
  name: string | null = "c",
): Promise<Cloud> {
  const folder = await mkdtemp(join(tmpdir(), "nodepool-clouds-"));
  folders.push(folder);
  const env: Record<string, string> = { HOME: folder, ...given.env };
  const texts = { clouds: given.clouds, secure: given.secure, "clouds-public": given.vendor };
  const variables = { clouds: "CONFIG", secure: "SECURE", "clouds-public": "VENDOR" } as const;
  for (const [stem, text] of Object.entries(texts)) {
    if (text === undefined) continue;
    const path = join(folder, `${stem}.yaml`);
    await writeFile(path, text);
    env[`OS_CLIENT_${variables[stem as keyof typeof variables]}_FILE`] = path;
  }
  return resolveCloud(await readCloudFiles(env), env, name, given.region ?? null);
}

const auth = "auth: {auth_url: 'https://k:5000', username: u, password: p, project_name: x}";
const bodyOf = ({ credentials }: Cloud) => credentials.body.auth;

describe("clouds.yaml", () => {
  test("a password logs in to a project, in the default domain unless one is named", async () => {
    const cloud = await resolve({ clouds: `clouds: {c: {${auth}, region_name: r}}` });
    assert.equal(cloud.authUrl, "https://k:5000/v3");
    assert.deepEqual(
      [cloud.region, cloud.interface, cloud.imageFormat, cloud.verify],
      ["r", "public", "qcow2", true],
    );
    const domain = { id: "default" };
    assert.deepEqual(bodyOf(cloud), {
      identity: { methods: ["password"], password: { user: { name: "u", domain, password: "p" } } },
      scope: { project: { name: "x", domain } },
    });
    const named = await resolve({
      clouds: `clouds: {c: {auth: {auth_url: 'https://k/v2.0/', user_id: 7, password: p, project_id: y}}}`,
    });
    assert.equal(named.authUrl, "https://k/v3");
    assert.deepEqual(bodyOf(named), {
      identity: { methods: ["password"], password: { user: { id: "7", password: "p" } } },
      scope: { project: { id: "y" } },
    });
  });

  test("domains are taken by name, and tenant is an older word for project", async () => {
    const cloud = await resolve({
      clouds:
        "clouds: {c: {auth: {auth_url: 'https://k', username: u, password: p, tenant_name: t, user_domain_name: A, project_domain_id: B}}}",
    });
    assert.deepEqual(bodyOf(cloud), {
      identity: {
        methods: ["password"],
        password: { user: { name: "u", domain: { name: "A" }, password: "p" } },
      },
      scope: { project: { name: "t", domain: { id: "B" } } },
    });
  });

  test("application credentials and tokens log in too", async () => {
    const credential = await resolve({
      clouds:
        "clouds: {c: {auth_type: v3applicationcredential, auth: {auth_url: 'https://k', application_credential_id: i, application_credential_secret: s}}}",
    });
    assert.deepEqual(bodyOf(credential), {
      identity: { methods: ["application_credential"], application_credential: { id: "i", secret: "s" } },
    });
    assert.deepEqual(credential.credentials.secrets, ["s"]);
    const token = await resolve({
      clouds: "clouds: {c: {auth_type: token, auth: {auth_url: 'https://k', token: tok, project_id: y}}}",
    });
    assert.deepEqual(bodyOf(token), {
      identity: { methods: ["token"], token: { id: "tok" } },
      scope: { project: { id: "y" } },
    });
  });

  test("secure.yaml is laid over it, mapping by mapping", async () => {
    const cloud = await resolve({
      clouds: "clouds: {c: {auth: {auth_url: 'https://k', username: u, project_name: x}}}",
      secure: "clouds: {c: {auth: {password: hidden}}}",
    });
    assert.deepEqual(cloud.credentials.secrets, ["hidden"]);
    assert.equal(cloud.credentials.who, "user 'u'");
  });

  test("a profile is what the cloud starts from: a public one or one of clouds-public.yaml", async () => {
    const known = await resolve({
      clouds: "clouds: {c: {profile: vexxhost, auth: {username: u, password: p}}}",
    });
    assert.deepEqual(
      [known.authUrl, known.region, known.imageFormat, known.floatingIps],
      ["https://auth.vexxhost.net/v3", "ca-ymq-1", "raw", false],
    );
    const own = await resolve({
      clouds: "clouds: {c: {profile: ours, image_format: raw, auth: {username: u, password: p}}}",
      vendor: "public-clouds: {ours: {image_format: vhd, region-name: r, auth: {auth-url: 'https://o'}}}",
    });
    assert.deepEqual([own.authUrl, own.region, own.imageFormat], ["https://o/v3", "r", "raw"]);
    await assert.rejects(
      resolve({ clouds: "clouds: {c: {profile: vexhost, auth: {username: u, password: p}}}" }),
      /profile 'vexhost' is not known; did you mean "vexxhost"/,
    );
  });

  test("a profile that is not known does not matter to a cloud that says itself where it is", async () => {
    const cloud = await resolve({ clouds: `clouds: {c: {profile: gone, ${auth}}}` });
    assert.equal(cloud.authUrl, "https://k:5000/v3");
  });

  test("a region must be one of those listed, and may have keys of its own", async () => {
    const clouds = `clouds: {c: {${auth}, regions: [one, {name: two, values: {image_format: raw}}]}}`;
    assert.equal((await resolve({ clouds })).region, "one");
    const two = await resolve({ clouds, region: "two" });
    assert.deepEqual([two.region, two.imageFormat], ["two", "raw"]);
    await assert.rejects(resolve({ clouds, region: "three" }), /no region 'three'; its regions: one, two/);
    const url =
      "clouds: {c: {regions: [a, b], auth: {auth_url: 'https://%(region_name)s.{region_name}.k', username: u, password: p}}}";
    assert.equal((await resolve({ clouds: url, region: "b" })).authUrl, "https://b.b.k/v3");
  });

  test("of a profile's regions region_name chooses one, and the provider's region-name before it", async () => {
    const clouds = "clouds: {c: {profile: citycloud, region_name: Fra1, auth: {username: u, password: p}}}";
    assert.equal((await resolve({ clouds })).authUrl, "https://Fra1.citycloud.com:5000/v3");
    assert.equal((await resolve({ clouds, region: "Lon1" })).region, "Lon1");
  });

  test("a profile of clouds-public.yaml goes before a public one of its name", async () => {
    const cloud = await resolve({
      clouds: "clouds: {c: {profile: vexxhost, auth: {username: u, password: p}}}",
      vendor: "public-clouds: {vexxhost: {auth: {auth_url: 'https://ours'}}}",
    });
    assert.equal(cloud.authUrl, "https://ours/v3");
  });

  test("networks that older files name are what openstacksdk takes them for", async () => {
    const cloud = await resolve({
      clouds: `clouds: {c: {${auth}, external_network: o, internal_network: i}}`,
    });
    assert.deepEqual(cloud.networks, [
      { name: "o", routesExternally: true, defaultInterface: true },
      { name: "i", routesExternally: false, natDestination: true },
    ]);
  });

  test("whether IPv4 leads out of a network may differ from whether anything does", async () => {
    const network = "{name: n, routes_externally: true, routes_ipv4_externally: false}";
    const cloud = await resolve({ clouds: `clouds: {c: {${auth}, networks: [${network}]}}` });
    assert.deepEqual(cloud.networks, [{ name: "n", routesExternally: false }]);
  });

  test("IPv4 is forced by the cloud, the environment or the section client, in this order", async () => {
    const isForced = async (client: string, env: Readonly<Record<string, string>>, own = "") =>
      (await resolve({ clouds: `{client: {${client}}, clouds: {c: {${auth}${own}}}}`, env })).forceIpv4;
    for (const client of ["prefer_ipv6: no", "prefer-ipv6: false", "broken-ipv6: true"]) {
      assert.equal(await isForced(client, {}), true, client);
    }
    assert.equal(await isForced("force_ipv4: true", { OS_FORCE_IPV4: "False" }), false);
    assert.equal(await isForced("prefer_ipv6: false", { OS_PREFER_IPV6: "True" }), false);
    assert.equal(await isForced("", { OS_FORCE_IPV4: "True" }, ", force_ipv4: false"), false);
    assert.equal(await isForced("", {}, ", prefer_ipv6: false"), true);
  });

  test("a cloud can do without floating addresses", async () => {
    for (const key of ["floating_ip_source: None", "requires_floating_ip: false"]) {
      assert.equal((await resolve({ clouds: `clouds: {c: {${auth}, ${key}}}` })).floatingIps, false, key);
    }
  });

  test("the properties that turn a vendor's agent off are for every image", async () => {
    const cloud = await resolve({
      clouds: `clouds: {c: {${auth}, disable_vendor_agent: {vm_mode: hvm, n: 1}}}`,
    });
    assert.deepEqual(cloud.imageProperties, { vm_mode: "hvm", n: "1" });
  });

  test("certificates, interface, networks and IPv4 are read as openstacksdk does", async () => {
    const cloud = await resolve({
      clouds: [
        "client: {force_ipv4: true}",
        `clouds: {c: {${auth}, endpoint_type: internalURL, insecure: true, cacert: ~/ca.pem, cert: /c, key: /k,`,
        "  private: true, networks: [{name: n, routes_externally: true, nat_source: true}, {name: m, default_interface: true, nat_destination: true}],",
        "  internal_network: inside}}",
      ].join("\n"),
    });
    assert.deepEqual(
      [cloud.interface, cloud.verify, cloud.isPrivate, cloud.forceIpv4],
      ["internal", false, true, true],
    );
    assert.match(cloud.caFile ?? "", /^\/.*\/ca\.pem$/);
    assert.deepEqual([cloud.certFile, cloud.keyFile], ["/c", "/k"]);
    assert.deepEqual(cloud.networks, [
      { name: "n", routesExternally: true, natSource: true },
      { name: "m", defaultInterface: true, natDestination: true },
      { name: "inside", routesExternally: false, natDestination: true },
    ]);
  });

  test("without a name it is the one of OS_CLOUD, that of OS_*, or the only one", async () => {
    const one = `clouds: {only: {${auth}}}`;
    assert.equal((await resolve({ clouds: one }, null)).name, "only");
    const two = `clouds: {a: {${auth}}, b: {${auth}}}`;
    assert.equal((await resolve({ clouds: two, env: { OS_CLOUD: "b" } }, null)).name, "b");
    await assert.rejects(resolve({ clouds: two }, null), /no cloud is named.*has: a, b/);
    const env = {
      OS_AUTH_URL: "https://e/v3",
      OS_USERNAME: "u",
      OS_PASSWORD: "p",
      OS_PROJECT_NAME: "x",
      OS_REGION_NAME: "r",
    };
    const cloud = await resolve({ clouds: two, env }, null);
    assert.deepEqual(
      [cloud.name, cloud.source, cloud.authUrl, cloud.region],
      ["envvars", "the environment", "https://e/v3", "r"],
    );
    assert.equal((await resolve({ clouds: two, env }, "a")).authUrl, "https://k:5000/v3");
  });

  test("the cloud that a provider names goes before that of OS_CLOUD", async () => {
    const two = `clouds: {a: {${auth}}, b: {${auth}}}`;
    assert.equal((await resolve({ clouds: two, env: { OS_CLOUD: "b" } }, "a")).name, "a");
  });

  test("a region, or what is not meant for a cloud, makes no cloud of the environment", async () => {
    const tests = { OS_LOG_CAPTURE: "1", OS_TEST_PATH: "t", OS_STDOUT_CAPTURE: "1" };
    const files = { OS_CLIENT_SECURE_FILE: "/nonexistent", OS_CLIENT_VENDOR_FILE: "/nonexistent" };
    const others = { OS_CLOUD_NAME: "e", OS_FORCE_IPV4: "true", OS_PREFER_IPV6: "true", OS_PASSWORD: "" };
    const env = { OS_REGION_NAME: "r", ...tests, ...files, ...others };
    const { name, region } = await resolve({ clouds: `clouds: {only: {${auth}}}`, env }, null);
    assert.deepEqual([name, region], ["only", null]);
  });

  test("what is missing is named with cloud, file and key", async () => {
    const rejected = async (clouds: string, name: string | null, pattern: RegExp) => {
      const error = await resolve({ clouds }, name).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof CloudConfigError);
      assert.match(error.message, pattern);
    };
    await rejected(
      `clouds: {cloudy: {${auth}}}`,
      "cloudi",
      /cloud 'cloudi' was not found \(.*clouds\.yaml\); did you mean "cloudy"/,
    );
    await rejected(`clouds: {a: {}, b: {}}`, "third", /cloud 'third' was not found .*; it has: a, b$/);
    await rejected(
      "clouds: {c: {auth: {username: u}}}",
      "c",
      /cloud 'c' of .*clouds\.yaml: auth\.auth_url is missing/,
    );
    await rejected(
      "clouds: {c: {auth: {auth_url: 'https://k', username: u}}}",
      "c",
      /auth\.password is missing.*secure\.yaml/,
    );
    await rejected(
      "clouds: {c: {auth_type: v3kerberos, auth: {auth_url: 'https://k'}}}",
      "c",
      /auth_type 'v3kerberos' is not supported; use password, token or/,
    );
    await rejected("clouds: [", "c", /clouds\.yaml:1:\d+: not valid YAML: [^\n]*$/);
  });

  test("without any file the places are named where it was looked for", async () => {
    const env = { HOME: "/nonexistent", XDG_CONFIG_HOME: "/nonexistent" };
    const files = { ...(await readCloudFiles(env)), path: null, clouds: {} };
    assert.throws(
      () => resolveCloud(files, env, "c", null),
      /no clouds\.yaml; looked for .*\/etc\/openstack\/clouds\.yaml/,
    );
  });
});
