// Takes and returns nodes in a world in which a launcher is killed or stopped, by our API or as Zuul does.
import assert from "node:assert/strict";
import type { LauncherCrashWorld } from "./launcher_crash_world.ts";
import { ZuulHand } from "./zuul_hand.ts";

/** How nodes are asked for. */
export type ClientKind = "grpc" | "zuul";

/** Nodes that a client has. */
export interface Taken {
  readonly ids: readonly string[];
  readonly giveBack: () => Promise<void>;
}

/** Asks for a node of each label and waits until they can be used. */
export async function take(
  world: LauncherCrashWorld,
  client: ClientKind,
  ...labels: string[]
): Promise<Taken> {
  const taken = await takeAny(world, client, labels);
  assert.equal(taken.ids.length, labels.length);
  return taken;
}

async function takeAny(world: LauncherCrashWorld, client: ClientKind, labels: string[]): Promise<Taken> {
  if (client === "grpc") {
    const request = await world.create(...labels);
    const ids = await world.nodesOf(request);
    return { ids, giveBack: () => world.release(request) };
  }
  const zuul = new ZuulHand(world.tree.session);
  return await useAsZuul(world, zuul, await zuul.ask(...labels));
}

/** Waits until Zuul's request has its nodes, and takes them into use. */
export async function useAsZuul(world: LauncherCrashWorld, zuul: ZuulHand, request: string): Promise<Taken> {
  const used = await zuul.useAll(request);
  const ids = used.map(({ id }) => id);
  world.noteGiven(request, ids);
  const giveBack = async () => {
    for (const node of used) await zuul.giveBack(node);
  };
  return { ids, giveBack };
}
