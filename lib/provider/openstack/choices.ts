// What a label's words mean in a cloud: which flavor, which networks. Pure.
import { didYouMean } from "../../config/nearest.ts";
import { NotFoundError, ProviderError } from "../contract.ts";
import type { Flavor } from "./compute.ts";
import type { Network } from "./network.ts";
import type { LabelSettings } from "./settings.ts";

/**
 * With `min-ram` the smallest flavor that has so much and `flavor-name` in its name, of several the first by name;
 * without it the flavor of that name or id.
 *
 * @throws {NotFoundError} that names what there is
 */
export function chooseFlavor(flavors: readonly Flavor[], label: LabelSettings): Flavor {
  const { minRam, flavorName } = label;
  if (minRam === null) {
    const exact =
      flavors.find(({ name }) => name === flavorName) ?? flavors.find(({ id }) => id === flavorName);
    if (exact !== undefined) return exact;
  } else {
    const order = (one: Flavor, other: Flavor) =>
      one.ram - other.ram || (one.name < other.name ? -1 : one.name > other.name ? 1 : 0);
    const [smallest] = flavors
      .filter(({ name, ram }) => ram >= minRam && name.includes(flavorName ?? ""))
      .toSorted(order);
    if (smallest !== undefined) return smallest;
  }
  const wanted = [
    ...(minRam === null ? [] : [`min-ram ${minRam}`]),
    ...(flavorName === null ? [] : [`flavor-name '${flavorName}'`]),
  ].join(" and ");
  const known = flavors.map(({ name, ram }) => `${name} (${ram} MiB)`).join(", ");
  throw new NotFoundError(
    `label '${label.label}': no flavor has ${wanted}; the cloud has: ${known || "none"}`,
  );
}

/** The networks' ids. @throws {NotFoundError} {@link ProviderError} when a name is that of two networks */
export function chooseNetworks(networks: readonly Network[], label: LabelSettings): string[] {
  return label.networks.map((wanted) => {
    const byId = networks.find(({ id }) => id === wanted);
    if (byId !== undefined) return byId.id;
    const [first, ...more] = networks.filter(({ name }) => name === wanted);
    if (first === undefined) {
      const known = networks.map(({ name }) => name);
      const hint = didYouMean(wanted, known) || `; it has: ${known.join(", ") || "none"}`;
      throw new NotFoundError(
        `label '${label.label}': networks: there is no network '${wanted}' in the cloud${hint}`,
      );
    }
    if (more.length === 0) return first.id;
    const ids = [first, ...more].map(({ id }) => id).join(", ");
    const message = `label '${label.label}': networks: '${wanted}' is the name of ${more.length + 1} networks (${ids}); use the id`;
    throw new ProviderError(message, { retryable: false });
  });
}
