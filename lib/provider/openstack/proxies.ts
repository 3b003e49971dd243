// The proxies that the environment names, as openstacksdk's HTTP library takes them.
import { CloudConfigError, type Env } from "../../config/clouds/files.ts";

/**
 * HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the form that Node.js and Deno both understand.
 *
 * @throws {CloudConfigError} for a proxy of another kind; its address is not told, for it may have a password in it
 */
export function readProxies(env: Env): Record<string, string> {
  const given = (name: string) => env[name.toLowerCase()]?.trim() || env[name]?.trim() || null;
  const proxies: Record<string, string> = {};
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY"]) {
    const value = given(name);
    if (value === null) continue;
    const url = value.includes("://") ? value : `http://${value}`;
    if (!/^https?:/i.test(url) || !URL.canParse(url)) {
      throw new CloudConfigError(
        `${name} of the environment is no HTTP proxy: set it to one, as http://proxy.example.org:3128, or unset it`,
      );
    }
    proxies[name.toLowerCase()] = url;
  }
  const exceptions = given("NO_PROXY");
  if (exceptions !== null) proxies.no_proxy = exceptions.split(",").flatMap(withBelow).join(",");
  return proxies;
}

/** A name stands for itself and all that is below it; an address only for itself. */
function withBelow(exception: string): string[] {
  const name = exception.trim();
  const isName = /[a-z]/i.test(name) && !/^[.*]|[:/]/.test(name);
  return isName ? [name, `.${name}`] : [name];
}
