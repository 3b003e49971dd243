/** A signal that follows others, and that can be aborted by itself. */
export interface Following {
  readonly controller: AbortController;
  /** Lets go of the others. To be called in any case: they may live for long, and would keep this one. */
  stop(): void;
}

/**
 * Makes a signal that is aborted with the first of these, for the same reason; at once where one is aborted already.
 * `AbortSignal.any` does the same without `stop`, and is slow.
 *
 * @param ended hears the reason when one of these is aborted, or was already; a listener to the signal itself costs more
 */
export function followSignals(
  signals: readonly AbortSignal[],
  ended: (reason: unknown) => void = () => {},
): Following {
  const controller = new AbortController();
  const end = (reason: unknown) => {
    controller.abort(reason);
    ended(reason);
  };
  const follow = ({ target }: Event) => {
    if (target instanceof AbortSignal) end(target.reason);
  };
  for (const signal of signals) {
    if (signal.aborted) end(signal.reason);
    else signal.addEventListener("abort", follow, { once: true });
  }
  const stop = () => {
    for (const signal of signals) signal.removeEventListener("abort", follow);
  };
  return { controller, stop };
}
