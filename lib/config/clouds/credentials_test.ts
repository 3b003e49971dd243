import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readCredentials } from "./credentials.ts";

const read = (keys: Readonly<Record<string, unknown>>) =>
  readCredentials("cloud 'c'", { auth_url: "https://k", ...keys }).credentials;

interface Body {
  readonly identity: { readonly password?: { readonly user: Readonly<Record<string, unknown>> } };
  readonly scope?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Who logs in with a password, and for what. */
function login(keys: Readonly<Record<string, unknown>>) {
  const { identity, scope } = read({ password: "p", ...keys }).body.auth as Body;
  const { password: _, ...user } = identity.password?.user ?? {};
  return { user, scope };
}

describe("who logs in to OpenStack", () => {
  /** The domains of the user and of the project. */
  const domainsOf = (keys: Readonly<Record<string, unknown>>) => {
    const { user, scope } = login({ username: "u", project_name: "x", ...keys });
    return [user.domain, scope?.project?.domain];
  };

  test("a domain that is named once is that of the user and of the project", () => {
    assert.deepEqual(domainsOf({ domain_name: "D" }), [{ name: "D" }, { name: "D" }]);
    assert.deepEqual(domainsOf({ domain_id: "d" }), [{ id: "d" }, { id: "d" }]);
  });

  test("a domain of the user or of the project goes before one for both, and that before the default", () => {
    const both = { domain_name: "D", default_domain: "e" };
    assert.deepEqual(domainsOf({ ...both, user_domain_name: "U" }), [{ name: "U" }, { name: "D" }]);
    assert.deepEqual(domainsOf({ ...both, project_domain_name: "P" }), [{ name: "D" }, { name: "P" }]);
  });

  test("the default domain can be another than 'default'", () => {
    assert.deepEqual(domainsOf({ default_domain: "e" }), [{ id: "e" }, { id: "e" }]);
    assert.deepEqual(domainsOf({ default_domain_name: "E" }), [{ name: "E" }, { name: "E" }]);
    assert.deepEqual(domainsOf({ default_domain_id: "e" }), [{ id: "e" }, { id: "e" }]);
  });

  test("without a project it is for the domain or the whole system that is named", () => {
    const scopeOf = (keys: Readonly<Record<string, unknown>>) => login({ username: "u", ...keys }).scope;
    assert.deepEqual(scopeOf({ domain_name: "D" }), { domain: { name: "D" } });
    assert.deepEqual(scopeOf({ system_scope: "all" }), { system: { all: true } });
    assert.equal(scopeOf({ system_scope: "some" }), undefined);
  });

  test("older words for user and project are understood", () => {
    const { user, scope } = login({ user_name: "u", tenant_id: "t" });
    assert.deepEqual([user.name, scope], ["u", { project: { id: "t" } }]);
  });

  test("what is below auth goes before the same key beside it", () => {
    assert.equal(login({ username: "outer", auth: { username: "inner" } }).user.name, "inner");
  });

  test("a key without a value is as good as none", () => {
    assert.equal(login({ user_id: "", project_id: null, username: "u" }).user.name, "u");
  });

  test("without auth_type a token or the secret of an application credential says what is meant", () => {
    const token = read({ token: "tok" });
    assert.deepEqual([token.kind, token.secrets], ["token", ["tok"]]);
    const id = { application_credential_id: "i", application_credential_secret: "s" };
    assert.equal(read(id).kind, "application credential");
  });

  test("an application credential goes by its name within its user, too", () => {
    const { body } = read({
      application_credential_name: "n",
      application_credential_secret: "s",
      user_id: "7",
    });
    const credential = { name: "n", user: { id: "7" }, secret: "s" };
    assert.deepEqual(body.auth, {
      identity: { methods: ["application_credential"], application_credential: credential },
    });
  });

  test("a login that does not say whose it is names the key to add", () => {
    assert.throws(() => login({ project_name: "x" }), /cloud 'c': auth\.username is missing/);
    assert.throws(
      () => read({ application_credential_name: "n", application_credential_secret: "s" }),
      /auth\.application_credential_id is missing \(or its name with the username\)/,
    );
  });
});
