// Waiting for work that several wait for.

/** Waits for `work`, but not beyond the signal. The work itself goes on for the others. @throws the signal's reason */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    const forget = () => signal.removeEventListener("abort", abort);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    // Not `Promise.race` and `finally`: each call waits in here several times, and they make seven promises of it.
    work.then(
      (value) => {
        forget();
        resolve(value);
      },
      (error: unknown) => {
        forget();
        reject(error);
      },
    );
  });
}
