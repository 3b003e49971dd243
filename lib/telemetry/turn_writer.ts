/** Takes text; what comes of it is nobody's concern. */
export interface Sink {
  write(text: string): unknown;
}

/** The part of a stream that is written to. */
export interface Output extends Sink {
  /** How many bytes wait for whoever reads it. */
  readonly writableLength: number;
  on(event: "drain", listener: () => void): unknown;
}

/** So many bytes may wait for a reader that stalls. */
const MOST_WAITING = 4 * 1024 * 1024;

/**
 * Writes the lines of one turn of the event loop together at its end, or when the process exits: one write to a file or
 * a pipe costs more than many lines. A process that is killed loses the lines of that turn.
 *
 * While more than 4 MiB wait for a reader that stalls, and until all of it is read, further lines are dropped.
 *
 * @param onDropped hears how many were dropped, when there is room for a line that says so
 */
export function turnWriter(
  output: Output,
  host: { on(event: "exit", listener: () => void): unknown },
  onDropped: (lines: number) => void,
): Sink {
  let waiting = "";
  let dropped = 0;
  const flush = () => {
    const lines = waiting;
    waiting = "";
    if (lines !== "") output.write(lines);
  };
  host.on("exit", flush);
  output.on("drain", () => {
    const lines = dropped;
    dropped = 0;
    if (lines > 0) onDropped(lines);
  });
  return {
    write: (line) => {
      // All from the first one on: so there is one gap, and where it is is told.
      if (dropped > 0 || output.writableLength > MOST_WAITING) {
        dropped += 1;
        return;
      }
      if (waiting === "") setImmediate(flush);
      waiting += line;
    },
  };
}
