/** Takes text; what comes of it is nobody's concern. */
interface Sink {
  write(text: string): unknown;
}

/**
 * Writes the lines of one turn of the event loop together at its end, or when the process exits: one write to a file or
 * a pipe costs more than many lines. A process that is killed loses the lines of that turn.
 */
export function turnWriter(output: Sink, host: { on(event: "exit", listener: () => void): unknown }): Sink {
  let waiting = "";
  const flush = () => {
    const lines = waiting;
    waiting = "";
    if (lines !== "") output.write(lines);
  };
  host.on("exit", flush);
  return {
    write: (line) => {
      if (waiting === "") setImmediate(flush);
      waiting += line;
    },
  };
}
