// How a cloud is logged in to: password, application credential, or token; in the words of Identity v3.
import { asMapping, CloudConfigError, type Mapping } from "./files.ts";

/** A user or a project: by its id, or by its name within a domain. */
export type Named =
  | { readonly id: string }
  | { readonly name: string; readonly domain: { readonly id: string } | { readonly name: string } };

/** What a token is for. Null: whatever Keystone takes for the user's default. */
export type Scope = Readonly<Record<string, unknown>> | null;

/** How to get a token. `secrets` must never be seen in a message. */
export interface Credentials {
  readonly kind: "password" | "application credential" | "token";
  /** Who logs in, for messages. */
  readonly who: string;
  /** The body of POST /v3/auth/tokens. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly secrets: readonly string[];
}

/** Reads them from a cloud's keys. @throws {CloudConfigError} that names what is missing */
export function readCredentials(place: string, keys: Mapping): { authUrl: string; credentials: Credentials } {
  // Where clouds.yaml nests them below `auth`, the environment does not.
  const reader = new AuthReader(place, { ...keys, ...asMapping(keys.auth) });
  const url = reader.need("auth_url", "the address of Keystone, as https://cloud.example.org:5000/v3");
  const authUrl = `${url.replace(/\/+$/, "").replace(/\/v[23](\.0)?$/, "")}/v3`;
  return { authUrl, credentials: reader.credentials(String(keys.auth_type ?? "")) };
}

class AuthReader {
  readonly #place: string;
  readonly #keys: Mapping;

  constructor(place: string, keys: Mapping) {
    this.#place = place;
    this.#keys = keys;
  }

  credentials(given: string): Credentials {
    const type = given.replace(/^v3/, "");
    if (type === "applicationcredential" || (type === "" && this.#get("application_credential_secret"))) {
      return this.#applicationCredential();
    }
    if (type === "token" || (type === "" && this.#get("token"))) return this.#token();
    if (["", "password"].includes(type)) return this.#password();
    throw new CloudConfigError(
      `${this.#place}: auth_type '${given}' is not supported; use password, token or v3applicationcredential`,
    );
  }

  #password(): Credentials {
    const password = this.need("password", "the user's password; secure.yaml is a good place for it");
    const user = this.#named("user", this.#get("user_id"), this.#get("username") ?? this.#get("user_name"));
    if (user === null) throw this.#missing("username", "who logs in");
    const body = { methods: ["password"], password: { user: { ...user, password } } };
    return this.#make("password", `user ${describe(user)}`, body, this.#scope(), [password]);
  }

  #applicationCredential(): Credentials {
    const secret = this.need("application_credential_secret", "the secret that came with it");
    const id = this.#get("application_credential_id");
    const name = this.#get("application_credential_name");
    const user = this.#named("user", this.#get("user_id"), this.#get("username"));
    if (id === null && (name === null || user === null)) {
      throw this.#missing("application_credential_id", "or its name with the username");
    }
    const which = id === null ? { name, user } : { id };
    const body = {
      methods: ["application_credential"],
      application_credential: { ...which, secret },
    };
    // It has its project; Keystone refuses any other.
    return this.#make("application credential", `application credential ${id ?? name}`, body, null, [secret]);
  }

  #token(): Credentials {
    const token = this.need("token", "a token of Keystone");
    const body = { methods: ["token"], token: { id: token } };
    return this.#make("token", "a token", body, this.#scope(), [token]);
  }

  #make(
    kind: Credentials["kind"],
    who: string,
    identity: Readonly<Record<string, unknown>>,
    scope: Scope,
    secrets: readonly string[],
  ): Credentials {
    return { kind, who, body: { auth: { identity, ...(scope === null ? {} : { scope }) } }, secrets };
  }

  #scope(): Scope {
    const project = this.#named(
      "project",
      this.#get("project_id") ?? this.#get("tenant_id"),
      this.#get("project_name") ?? this.#get("tenant_name"),
    );
    if (project !== null) return { project };
    const domain = this.#domain("domain_id", "domain_name");
    if (domain !== null) return { domain };
    return this.#get("system_scope") === "all" ? { system: { all: true } } : null;
  }

  #named(kind: "user" | "project", id: string | null, name: string | null): Named | null {
    if (id !== null) return { id };
    if (name === null) return null;
    const domain =
      this.#domain(`${kind}_domain_id`, `${kind}_domain_name`) ??
      // Named once, it is that of the user and of the project.
      this.#domain("domain_id", "domain_name") ??
      this.#domain("default_domain_id", "default_domain_name") ??
      this.#domain("default_domain", "default_domain_name");
    return { name, domain: domain ?? { id: "default" } };
  }

  #domain(idKey: string, nameKey: string): { id: string } | { name: string } | null {
    const [id, name] = [this.#get(idKey), this.#get(nameKey)];
    if (id !== null) return { id };
    return name === null ? null : { name };
  }

  #get(key: string): string | null {
    const value = this.#keys[key];
    return value === undefined || value === null || value === "" ? null : String(value);
  }

  need(key: string, what: string): string {
    const value = this.#get(key);
    if (value === null) throw this.#missing(key, what);
    return value;
  }

  #missing(key: string, what: string): CloudConfigError {
    return new CloudConfigError(`${this.#place}: auth.${key} is missing (${what})`);
  }
}

function describe(named: Named): string {
  return "id" in named ? named.id : `'${named.name}'`;
}
