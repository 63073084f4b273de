import type { FedBatch } from './train_batches.ts';

/** The batches of a run's steps, prepared ahead of them; a step other than the one that follows begins anew there. */
export class BatchWalk {
  readonly #from: (epoch: number, step: number) => AsyncGenerator<FedBatch>;
  #ahead?: { readonly epoch: number; step: number; readonly batches: AsyncGenerator<FedBatch> };

  /** `from` gives the batches of an epoch from a step on. */
  constructor(from: (epoch: number, step: number) => AsyncGenerator<FedBatch>) {
    this.#from = from;
  }

  /** On its device until the next one is asked for. Rejects with DataError where images cannot be read. */
  async at({ epoch, step }: { readonly epoch: number; readonly step: number }): Promise<FedBatch> {
    if (this.#ahead?.epoch !== epoch || this.#ahead.step !== step) {
      await this.#ahead?.batches.return(undefined);
      this.#ahead = { epoch, step, batches: this.#from(epoch, step) };
    }
    this.#ahead.step++;
    return (await this.#ahead.batches.next()).value;
  }
}
