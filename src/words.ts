// Names and times of records as people read them.

/** validationLoss as validation loss. */
export function inWords(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** 2026-01-02T03:04:05.678Z as 2026-01-02 03:04:05 UTC. */
export function inUtc(time: string): string {
  return time.replace('T', ' ').replace(/\..*/, ' UTC');
}
