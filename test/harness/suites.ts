// What the tests of a `describe` share: one ZooKeeper that runs as long as they do, and a case for each, which ends with it.
import { after, afterEach, before } from "node:test";
import { BuilderCase } from "./builder.ts";
import { ApiCase } from "./builder_api.ts";
import { LauncherCase } from "./launcher_case.ts";
import { startZooKeeper, type ZooKeeperServer } from "./zookeeper.ts";

/** Cases on one ZooKeeper. */
export interface Cases<Case, Given extends unknown[]> {
  /** Runs from before the first test of the surrounding `describe` until after its last. */
  readonly server: ZooKeeperServer;
  /** Begins a case that ends with the test that is under way. */
  begin(...given: Given): Promise<Case>;
}

/** Cases about launchers, each with an image that is ready at the providers that are named. */
export const launcherCases = () =>
  casesOf((server, ...providers: string[]) => LauncherCase.begin(server, ...providers));

/** Cases about builders, each with a folder of its own. */
export const builderCases = () => casesOf((server) => BuilderCase.begin(server));

/** Cases about a builder's API. */
export const builderApiCases = () => casesOf((server) => ApiCase.begin(server));

function casesOf<Case extends { end(): Promise<void> }, Given extends unknown[]>(
  begin: (server: ZooKeeperServer, ...given: Given) => Promise<Case>,
): Cases<Case, Given> {
  let server: ZooKeeperServer;
  const begun: Case[] = [];
  before(async () => {
    server = await startZooKeeper();
  });
  after(() => server.close());
  afterEach(async () => {
    for (const one of begun.splice(0)) await one.end();
  });
  return {
    get server() {
      return server;
    },
    begin: async (...given) => {
      const one = await begin(server, ...given);
      begun.push(one);
      return one;
    },
  };
}
