// Which of a server's addresses is which, and which one to connect to: as openstacksdk and Nodepool choose. Pure.
import type { Cloud, NetworkHint } from "../../config/clouds/cloud.ts";
import type { Server, ServerAddress } from "./compute.ts";
import type { Network } from "./network.ts";

/** A server's addresses by what they are good for. */
export interface ChosenAddresses {
  readonly interfaceIp: string | null;
  readonly publicIpv4: string | null;
  readonly privateIpv4: string | null;
  readonly publicIpv6: string | null;
}

/** What the choice depends on beside the server. */
export interface AddressContext {
  readonly cloud: Pick<Cloud, "networks" | "isPrivate" | "forceIpv4">;
  readonly networks: readonly Network[];
  /** Whether we can reach IPv6 addresses. */
  readonly hasIpv6: boolean;
}

interface Networks {
  readonly cloud: Pick<Cloud, "networks">;
  readonly networks: readonly Network[];
}

type Facts = Pick<Server, "addresses" | "accessIpv4" | "accessIpv6">;

export function chooseAddresses(server: Facts, context: AddressContext): ChosenAddresses {
  const { cloud, hasIpv6 } = context;
  const publicIpv4 = findPublicIpv4(server, context);
  const publicIpv6 =
    server.accessIpv6 ?? firstOf(server, (each) => each.version === 6 && !isLocal(each.address));
  const privateIpv4 =
    firstOf(
      server,
      (each) => isFixed4(each) && each.address !== publicIpv4 && !isExternal(each.network, context),
    ) ??
    // Nodepool has always had it so: what reads private_ipv4 finds an address to connect to.
    publicIpv4;
  const mayUseIpv6 = hasIpv6 && !cloud.forceIpv4;
  const usual = cloud.networks
    .filter(({ defaultInterface }) => defaultInterface)
    .flatMap((hint) => server.addresses.filter(({ network }) => isNamed(hint, network, context)))
    .toSorted((one, other) => other.version - one.version)
    .find(({ version }) => version === 4 || mayUseIpv6);
  const interfaceIp =
    usual?.address ??
    (cloud.isPrivate ? privateIpv4 : null) ??
    (mayUseIpv6 ? publicIpv6 : null) ??
    publicIpv4 ??
    privateIpv4 ??
    publicIpv6 ??
    // Of a site only, which may be ours: better than none.
    firstOf(server, (each) => each.version === 6 && !isLinkLocal(each.address));
  return { interfaceIp, publicIpv4, privateIpv4, publicIpv6 };
}

/** The address at which a server can be reached from outside; null when it has none. */
export function findPublicIpv4(server: Facts, context: Networks): string | null {
  return (
    server.accessIpv4 ??
    firstOf(server, (each) => isFixed4(each) && isExternal(each.network, context)) ??
    firstOf(server, (each) => each.version === 4 && each.isFloating) ??
    firstOf(server, (each) => each.version === 4 && each.network === "public") ??
    firstOf(
      server,
      (each) => each.version === 4 && isGlobal(each.address) && !isInternal(each.network, context),
    )
  );
}

function firstOf({ addresses }: Facts, fits: (address: ServerAddress) => boolean): string | null {
  return addresses.find(fits)?.address ?? null;
}

function isFixed4({ version, isFloating }: ServerAddress): boolean {
  return version === 4 && !isFloating;
}

function isNamed(hint: NetworkHint, network: string, { networks }: Networks): boolean {
  return hint.name === network || networks.some(({ id, name }) => name === network && id === hint.name);
}

function hintOf(network: string, context: Networks): NetworkHint | undefined {
  return context.cloud.networks.find(
    (hint) => hint.routesExternally !== undefined && isNamed(hint, network, context),
  );
}

function isExternal(network: string, context: Networks): boolean {
  const hint = hintOf(network, context);
  if (hint !== undefined) return hint.routesExternally === true;
  return context.networks.some(({ name, isExternal }) => name === network && isExternal);
}

function isInternal(network: string, context: Networks): boolean {
  return hintOf(network, context)?.routesExternally === false;
}

/** Whether an IPv4 address can be reached from anywhere. */
function isGlobal(address: string): boolean {
  const [first = 0, second = 0] = address.split(".").map(Number);
  const isShared = first === 100 && second >= 64 && second < 128;
  const isPrivate =
    first === 10 || (first === 172 && second >= 16 && second < 32) || (first === 192 && second === 168);
  return (
    !isShared &&
    !isPrivate &&
    first !== 0 &&
    first !== 127 &&
    !(first === 169 && second === 254) &&
    first < 224
  );
}

/** Whether an IPv6 address is one of a link or of a site only. */
function isLocal(address: string): boolean {
  return isLinkLocal(address) || /^f[cd]/i.test(address);
}

function isLinkLocal(address: string): boolean {
  return /^(fe[89ab]|::1$)/i.test(address);
}
