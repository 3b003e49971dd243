// What was started is stopped again, whatever becomes of a part of it.

/** Takes back one step of a start. */
export type Undo = () => unknown;

/** Takes every step back, the last one first; `onError` hears of those that fail, and the others go on. */
export async function takeBack(steps: readonly Undo[], onError: (error: unknown) => void): Promise<void> {
  for (const step of steps.toReversed()) {
    try {
      await step();
    } catch (error) {
      onError(error);
    }
  }
}
