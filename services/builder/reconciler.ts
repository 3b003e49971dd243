// The loop that turns changes into decisions and decisions into actions.
//
// Invariants:
//   L1. Nothing is decided while the view may be old.
//   L2. Changes that come together are decided on together; one that comes during a decision causes another.
//   L3. What an action has written is visible before it counts as ended: nobody decides on the state before it.
//   L4. An action that fails is waited out by itself; nothing that it throws leaves the loop.
import type { PlannedChange } from "../../lib/daemon/types.ts";
import { buildPath, uploadPath } from "../../lib/model/paths.ts";
import { withoutZooKeeper } from "../../lib/rpc/errors.ts";
import { type Clock, seconds } from "../../lib/std/clock.ts";
import { messageOf } from "../../lib/std/errors.ts";
import type { Logger } from "../../lib/std/logger.ts";
import type { TaskGroup } from "../../lib/std/task_group.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { Absences } from "./absences.ts";
import type { Board } from "./board.ts";
import { decide } from "./decide.ts";
import { planChange } from "./foresee.ts";
import type { Metrics } from "./metrics.ts";
import type { Action, BuilderConfig, Facts, Outcome } from "./plan.ts";
import type { Setbacks } from "./setbacks.ts";
import { visible } from "./visible.ts";

/** Work done although nothing has changed, in milliseconds: it repairs what no event has told. */
const RESYNC = 600_000;

export interface ReconcilerOptions {
  readonly view: View;
  /** The configuration in force. */
  readonly config: () => BuilderConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tasks: TaskGroup;
  readonly setbacks: Setbacks;
  readonly board: Board;
  readonly metrics: Pick<Metrics, "action">;
  /** All facts but those that the loop itself keeps. */
  readonly facts: () => Omit<
    Facts,
    "now" | "running" | "setbacks" | "troubles" | "lockFreeSince" | "awaySince" | "besidePython"
  >;
  /** Does one action. */
  readonly perform: (action: Action) => Promise<Outcome>;
  /** Looks anew at what no event tells of. */
  readonly resync: () => Promise<void>;
}

const ignore = () => {};

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #running = new Set<string>();
  readonly #withProvider = new Set<{ readonly provider: string; readonly ended: Promise<void> }>();
  readonly #absences = new Absences();
  readonly #stops: (() => void)[];
  #scheduled = false;
  #closed = false;
  #cancelTimer = () => {};
  #cancelResync = () => {};

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    const { view } = options;
    this.#stops = [
      view.subscribe(({ kind }) => {
        if (kind === "image" || kind === "component") this.trigger();
      }),
      view.onCurrent(() => this.trigger()),
    ];
    this.#scheduleResync();
    this.trigger();
  }

  /** Has everything decided anew, soon. */
  trigger(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#pass();
    });
  }

  /** Begins nothing more. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer();
    this.#cancelResync();
    for (const stop of this.#stops) stop();
  }

  #pass(): void {
    const { view, clock, logger, board, setbacks } = this.#options;
    const config = this.#options.config();
    if (!view.current) return;
    try {
      const now = seconds(clock);
      const images = [...view.images()];
      const facts = this.#facts(now);
      const plan = decide(images, config, facts);
      board.show(plan, new Set([...config.diskimages.keys(), ...images.map(({ image }) => image)]));
      const keys = new Set([...plan.actions, ...plan.waiting].map(({ key }) => key));
      setbacks.retain((key) => keys.has(key));
      this.#cancelTimer();
      if (plan.next !== null) {
        // Timers of Node end at 2^31 ms; a pass too early does no harm.
        const delay = Math.min(Math.max(10, (plan.next - now) * 1000 + 1), 2 ** 31 - 1);
        this.#cancelTimer = clock.after(delay, () => this.trigger());
      }
      const hasty = plan.actions.filter((action) => this.#isHasty(action));
      for (const action of plan.actions) if (!hasty.includes(action)) this.#start(action);
      if (hasty.length > 0) view.settled().then(() => this.trigger(), ignore);
    } catch (error) {
      logger.error("deciding failed", { error: messageOf(error) });
    }
  }

  /**
   * Whether something would be deleted because there are newer ones, of which a change is not shown yet: another of them
   * may be on its way out.
   */
  #isHasty({ kind, image }: Action): boolean {
    if (kind !== "delete-upload" && kind !== "delete-build") return false;
    const { view } = this.#options;
    const paths = (view.image(image)?.builds ?? []).flatMap(({ build, uploads }) => [
      buildPath(image, build),
      ...uploads.map(({ provider, upload }) => uploadPath(image, build, provider, upload)),
    ]);
    return paths.some((path) => view.isPending(path));
  }

  #facts(now: number): Facts {
    const { setbacks, facts } = this.#options;
    const own = facts();
    this.#absences.look(this.#options.view, now, own.builderId);
    const running = this.#running;
    return {
      ...own,
      now,
      running,
      setbacks: setbacks.entries,
      troubles: setbacks.troubles,
      lockFreeSince: this.#absences.lockFreeSince,
      awaySince: this.#absences.awaySince,
      besidePython: this.#absences.besidePython,
    };
  }

  /** What another configuration would change. @throws UNAVAILABLE while it is not known how things are */
  plan(next: BuilderConfig): PlannedChange[] {
    const { view, clock, config } = this.#options;
    if (!view.current) throw withoutZooKeeper();
    return planChange([...view.images()], config(), next, this.#facts(seconds(clock)));
  }

  /** Resolves when nothing that was begun works with one of these providers. */
  async ended(providers: readonly string[]): Promise<void> {
    const works = [...this.#withProvider].filter(({ provider }) => providers.includes(provider));
    await Promise.all(works.map(({ ended }) => ended));
  }

  #start(action: Action): void {
    const { tasks, board, view } = this.#options;
    this.#running.add(action.key);
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const work = "provider" in action ? { provider: action.provider, ended } : null;
    if (work !== null) this.#withProvider.add(work);
    tasks.start(action.key, async () => {
      try {
        await this.#perform(action);
        await visible(view, tasks.signal);
      } finally {
        this.#running.delete(action.key);
        if (work !== null) this.#withProvider.delete(work);
        resolve();
        board.changed(action.image);
        this.trigger();
      }
    });
  }

  async #perform(action: Action): Promise<void> {
    const { perform, setbacks, logger, clock, metrics } = this.#options;
    const { key, image, kind, reason } = action;
    const begun = seconds(clock);
    logger.debug("action started", { action: kind, key, reason });
    try {
      const outcome = await perform(action);
      metrics.action(action, outcome === "done" ? "done" : "unneeded", seconds(clock) - begun);
      if (outcome === "done") setbacks.clear(key);
      if (outcome === "busy") setbacks.wait(key);
    } catch (error) {
      metrics.action(action, "failed", seconds(clock) - begun);
      if (this.#closed) return;
      const message = messageOf(error);
      const until = setbacks.fail(key, message, action.kind === "build" ? action.requestTime : null);
      const next = new Date(until * 1000).toISOString();
      logger.warn("action failed", { action: kind, image, key, error: message, next });
    }
  }

  #scheduleResync(): void {
    const { clock, logger, resync, tasks } = this.#options;
    this.#cancelResync = clock.after(RESYNC, () => {
      tasks.start("resync", async () => {
        await resync().catch((error: unknown) => logger.warn("resync failed", { error: messageOf(error) }));
        this.trigger();
      });
      this.#scheduleResync();
    });
  }
}
