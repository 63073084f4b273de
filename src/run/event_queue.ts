/** Events kept for a consumer that has not begun to iterate; older ones are dropped. */
const keptBeforeIteration = 1024;

/**
 * Hands events from a producer that never waits to one consumer. Until iteration begins only the latest 1024 are kept, so
 * a run that nobody watches holds no more; from then on every event is kept until it is taken.
 */
export class EventQueue<T> {
  #items: T[] = [];
  #state: 'unwatched' | 'watched' | 'left' = 'unwatched';
  #closed = false;
  #failure: unknown;
  #wake = () => {};

  push(item: T): void {
    if (this.#state === 'left') return;
    this.#items.push(item);
    if (this.#state === 'unwatched' && this.#items.length > keptBeforeIteration) this.#items.shift();
    this.#wake();
  }

  /** No more events: iteration ends after those in the queue, by throwing `failure` if there is one. */
  close(failure?: unknown): void {
    this.#closed = true;
    this.#failure = failure;
    this.#wake();
  }

  /** Leaving the loop early drops what is left and what follows. */
  async *drain(): AsyncGenerator<T, void, undefined> {
    this.#state = 'watched';
    try {
      for (;;) {
        const items = this.#items;
        this.#items = [];
        yield* items;
        if (this.#items.length > 0) continue;
        if (this.#closed) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      this.#state = 'left';
      this.#items = [];
    }
  }
}
