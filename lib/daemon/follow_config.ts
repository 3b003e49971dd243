// Has a running process follow its configuration's files, and answers for it: what ConfigService and health tell.
import { watchFiles } from "../config/watch.ts";
import type { ConfigControl } from "../rpc/config_service.ts";
import { atMost } from "../std/at_most.ts";
import type { OpenContext } from "./context.ts";
import { Reloader, type ReloaderOptions } from "./reload.ts";

/** What health calls the matter of the configuration: not serving while a changed file cannot be used. */
const CONFIG_HEALTH = "config";
/** The name under which health says whether every provider of the configuration is served. */
const PROVIDERS_HEALTH = "providers";

/** How long the end of a process waits for a change of its configuration that is being taken, in milliseconds. */
const CHANGE_PATIENCE_MS = 1000;

/** Whose configuration it is, and who hears of it. */
export interface FollowConfigOptions extends Omit<ReloaderOptions, "providers" | "onTaken" | "onValid"> {
  readonly opened: OpenContext;
  readonly setServing: (serving: boolean, matter: string) => void;
}

/** A configuration that is followed. */
export interface FollowedConfig {
  /** For ConfigService. */
  readonly control: ConfigControl;
  /** Reads the files again; `reason` is for the log. */
  reload(reason: string): void;
  /** Ends it together with the service, which `stopService` stops. */
  close(stopService: () => Promise<unknown>): Promise<void>;
}

/** Takes changed files into force: at once when they change, and when told to. */
export function followConfig(options: FollowConfigOptions): FollowedConfig {
  const { clock, config, files, opened, setServing } = options;
  const { providers } = opened;
  const onValid = (valid: boolean) => setServing(valid, CONFIG_HEALTH);
  const tellProviders = () => setServing(providers.isWhole, PROVIDERS_HEALTH);
  providers.follow(tellProviders);
  tellProviders();
  const reloader = new Reloader({
    ...options,
    providers,
    onTaken: (taken) => {
      opened.useServers(taken);
      tellProviders();
    },
    onValid,
  });
  onValid(true);
  const paths = [config.file, ...(files.secureFile === undefined ? [] : [files.secureFile])];
  const unwatch = watchFiles(paths, clock, () => void reloader.reload("the file changed"));
  // What changed between the first reading and the watch.
  void reloader.reload("the file changed");
  // A change that could not be taken because ZooKeeper was away is taken now.
  const unfollow = opened.context.session.onState((state) => {
    if (state === "connected") void reloader.reload("ZooKeeper is there again");
  });
  return {
    control: {
      status: () => ({ ...reloader.status, ...reloader.status.config }),
      reload: () => reloader.reload("a call"),
      plan: (text, secureText) => reloader.plan(text, secureText),
      validate: (text, secureText) => reloader.validate(text, secureText),
    },
    reload: (reason) => void reloader.reload(reason),
    close: async (stopService) => {
      unwatch();
      unfollow();
      // A change that is being taken may wait for work in hand, as a call to a cloud, and that ends with the service.
      const closed = reloader.close();
      await atMost(clock, CHANGE_PATIENCE_MS, closed);
      await stopService();
      await atMost(clock, CHANGE_PATIENCE_MS, closed);
    },
  };
}
