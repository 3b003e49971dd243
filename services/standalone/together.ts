// Builder and launcher as one, where another configuration is concerned.
import type { Service } from "../../lib/daemon/types.ts";

/** Takes and plans another configuration with each of the services: all of them take it, or none does. */
export function together(services: readonly Service[]): Required<Pick<Service, "reconfigure" | "plan">> {
  return {
    reconfigure: async (next) => {
      for (const service of services) await service.admit?.(next.config);
      const released: Promise<void>[] = [];
      for (const service of services) {
        const taken = await service.reconfigure?.(next);
        if (taken !== undefined) released.push(taken.released);
      }
      return { released: Promise.all(released).then(() => undefined) };
    },
    plan: (next) => services.flatMap((service) => service.plan?.(next) ?? []),
  };
}
