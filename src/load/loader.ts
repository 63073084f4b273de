import type { AugmentSettings } from '../augment/augment.ts';
import type { ImageArrays, ImageSet } from '../data/dataset.ts';
import { pathOf } from '../data/folder.ts';
import { abortedBy, DataError } from '../errors.ts';
import type { ImagePool } from './pool.ts';
import type { PrepareTask } from './prepare.ts';

/** An image file that cannot be read. */
export interface UnreadableImage {
  readonly file: string;
  readonly reason: string;
}

/** How a loader's images are prepared. */
export interface LoaderOptions {
  readonly pool: ImagePool;
  /** Of images to learn from. */
  readonly augment?: AugmentSettings;
  readonly seed: number;
}

/** How one pass over images goes. */
export interface PassOptions {
  /** Given, the images are to learn from: augmented as this epoch's are, and one that cannot be read is replaced. */
  readonly epoch?: number;
  /**
   * Given, each batch draws its augmentation anew, since an image may come in several: batches have numbers from this one on. All draw
   * as one when absent: each image comes once an epoch.
   */
  readonly firstDraw?: number;
  readonly signal?: AbortSignal;
}

/** What the random numbers of images to learn from are named by, beside the image. */
interface Draw {
  readonly epoch: number;
  readonly part: number;
}

/** Batches that are prepared while another is in use. */
const batchesAhead = 2;

/** So many unreadable images in a row are no accident. */
const mostReplacements = 16;

/** One image of a batch. */
interface Loaded {
  readonly pixels: Uint8Array;
  readonly label: number;
}

/**
 * Prepares batches of images on a pool's threads, some ahead of their use. Which bits they have depends on the images, the settings,
 * the seed and the epoch alone. An image file that cannot be read is reported once; among images to learn from the next readable
 * one of the dataset stands in for it, among images to score it is left out.
 */
export class ImageLoader {
  readonly #images: ImageSet;
  readonly #options: LoaderOptions;
  readonly #known = new Set<string>();
  #news: UnreadableImage[] = [];

  constructor(images: ImageSet, options: LoaderOptions) {
    this.#images = images;
    this.#options = options;
  }

  /** Images that turned out to be unreadable since this was last called. */
  takeUnreadable(): readonly UnreadableImage[] {
    const news = this.#news;
    this.#news = [];
    return news;
  }

  /**
   * Batches of dataset positions, in order, as long as the first; where an image is left out those behind it move up, so that only the
   * last batch is shorter. Rejects with AbortedError, or DataError where no image can be read.
   */
  async *batches(
    positions: readonly Uint32Array[],
    { epoch, firstDraw, signal }: PassOptions,
  ): AsyncGenerator<ImageArrays> {
    const stop = new AbortController();
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const drawOf = (batch: number): Draw | undefined =>
      epoch === undefined ? undefined : { epoch, part: firstDraw === undefined ? 0 : firstDraw + batch };
    const begun: Promise<Loaded[]>[] = [];
    const ready: Loaded[] = [];
    let some = false;
    try {
      for (let next = 0; next < positions.length; next++) {
        while (begun.length < positions.length && begun.length <= next + batchesAhead) {
          begun.push(this.#prepare(positions[begun.length], drawOf(begun.length), either));
        }
        ready.push(...(await unlessAborted(begun[next], signal)));
        begun[next] = released;
        some ||= ready.length > 0;
        if (ready.length >= positions[0].length) yield this.#assemble(ready.splice(0, positions[0].length));
      }
      if (ready.length > 0) yield this.#assemble(ready);
      if (!some) throw new DataError(`expected images that can be read, found none: ${this.#someKnown()}`);
    } finally {
      stop.abort();
    }
  }

  #prepare(positions: Uint32Array, draw: Draw | undefined, signal: AbortSignal): Promise<Loaded[]> {
    const all = Promise.all(Array.from(positions, (position) => this.#load(position, draw, signal)));
    const readable = all.then((loaded) => loaded.filter((image) => image !== undefined));
    // A batch that nobody waits for any more may fail unseen.
    readable.catch(() => {});
    return readable;
  }

  /** The image at a position, or the one that stands in for it. */
  async #load(position: number, draw: Draw | undefined, signal: AbortSignal): Promise<Loaded | undefined> {
    const { labels } = this.#images;
    const most = Math.min(mostReplacements, labels.length);
    for (let tried = 0; tried < most; tried++) {
      const image = (position + tried) % labels.length;
      // The random numbers of the one that it stands in for, so that no two of a batch are the same.
      const prepared = await this.#options.pool.prepare(this.#task(image, position, draw), signal);
      if ('pixels' in prepared) return { pixels: prepared.pixels, label: labels[image] };
      this.#report(image, prepared.reason);
      if (draw === undefined) return undefined;
    }
    throw new DataError(`expected images that can be read, found ${most} in a row that cannot: ${this.#someKnown()}`);
  }

  /** Some unreadable files for a message, and how many there are. */
  #someKnown(): string {
    const files = [...this.#known];
    const shown = files.slice(0, 3).join(', ');
    return files.length > 3 ? `${shown} and ${files.length - 3} more` : shown;
  }

  #task(image: number, position: number, draw: Draw | undefined): PrepareTask {
    const { augment, seed } = this.#options;
    const { shape } = this.#images;
    const augmentation =
      augment === undefined || draw === undefined
        ? undefined
        : { settings: augment, stream: { seed, purpose: 'imageAugmentation', step: position, ...draw } as const };
    const colourProfile = 'images' in this.#images ? undefined : this.#images.colourProfile;
    return { source: this.#sourceOf(image), shape, colourProfile, augmentation };
  }

  #sourceOf(image: number): PrepareTask['source'] {
    const images = this.#images;
    if (!('images' in images)) return { path: pathOf(images, image) };
    const [height, width, channels] = images.shape;
    const size = height * width * channels;
    // A copy of its own, since a message would carry the whole buffer behind a view; slice() of a Buffer is one.
    return { pixels: new Uint8Array(images.images.subarray(image * size, (image + 1) * size)) };
  }

  #report(image: number, reason: string): void {
    const images = this.#images;
    if ('images' in images) throw new DataError(`image ${image} cannot be augmented: ${reason}`);
    const file = pathOf(images, image);
    if (this.#known.has(file)) return;
    this.#known.add(file);
    this.#news.push({ file, reason });
  }

  #assemble(loaded: readonly Loaded[]): ImageArrays {
    const { shape } = this.#images;
    const size = shape[0] * shape[1] * shape[2];
    const images = new Uint8Array(loaded.length * size);
    loaded.forEach(({ pixels }, i) => {
      images.set(pixels, i * size);
    });
    return { images, labels: Int32Array.from(loaded, ({ label }) => label), shape };
  }
}

/** In place of a batch that was handed out, so that it can be freed. */
const released = Promise.resolve<Loaded[]>([]);

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(abortedBy(signal));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
