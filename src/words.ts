// Names and times of records as people read them.

/** validationLoss as validation loss. */
export function inWords(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** 2026-01-02T03:04:05.678Z as 2026-01-02 03:04:05 UTC. */
export function inUtc(time: string): string {
  return time.replace('T', ' ').replace(/\..*/, ' UTC');
}

/** A moment of a search by the epochs behind it: before the first step, after 1 epoch, after 12 epochs. */
export function momentOf(epoch: number): string {
  if (epoch === 0) return 'before the first step';
  return `after ${epoch} ${epoch === 1 ? 'epoch' : 'epochs'}`;
}
