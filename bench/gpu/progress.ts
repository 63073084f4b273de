/** Lines that tell where the check is, each with the time since it began. */
export interface Progress {
  show(text: string): void;
  /** Since the beginning. */
  seconds(): number;
}

/** Progress on a stream, stderr in use. */
export function createProgress(stream: { write(text: string): unknown }): Progress {
  const begun = performance.now();
  const seconds = () => (performance.now() - begun) / 1000;
  return {
    seconds,
    show: (text) => {
      stream.write(`[${seconds().toFixed(1).padStart(6)} s] ${text}\n`);
    },
  };
}
