// Measures as they move in a run, collected value by value.
import type { Series } from '../report/run_view.ts';
import type { SeriesHead } from './measured.ts';

/** A series of any length in bounded memory: where it would become too long, two neighbours become their mean. */
export class SeriesCollector {
  readonly #head: SeriesHead;
  readonly #most: number;
  readonly #x: number[] = [];
  readonly #y: number[] = [];
  /** Values that a point is the mean of. */
  #width = 1;
  #sum = 0;
  #count = 0;
  #last = 0;

  /** At most twice `most` points are kept. */
  constructor(head: SeriesHead, most: number) {
    this.#head = head;
    this.#most = most;
  }

  add(x: number, y: number): void {
    this.#sum += y;
    this.#count++;
    this.#last = x;
    if (this.#count < this.#width) return;
    this.#x.push(x);
    this.#y.push(this.#sum / this.#count);
    this.#sum = 0;
    this.#count = 0;
    if (this.#x.length >= 2 * this.#most) this.#halve();
  }

  /** With the mean of the values that do not fill a point yet. */
  series(): Series {
    const isOpen = this.#count > 0;
    return {
      ...this.#head,
      x: isOpen ? [...this.#x, this.#last] : [...this.#x],
      y: isOpen ? [...this.#y, this.#sum / this.#count] : [...this.#y],
    };
  }

  #halve(): void {
    const half = this.#x.length >> 1;
    for (let i = 0; i < half; i++) {
      this.#x[i] = this.#x[2 * i + 1];
      this.#y[i] = (this.#y[2 * i] + this.#y[2 * i + 1]) / 2;
    }
    this.#x.length = half;
    this.#y.length = half;
    this.#width *= 2;
  }
}
