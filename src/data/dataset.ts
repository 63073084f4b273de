/** uint8 images `[count, height, width, channels]` and one label each. */
export interface ImageArrays {
  readonly images: Uint8Array;
  readonly labels: Int32Array;
  /** [height, width, channels] */
  readonly shape: readonly [number, number, number];
}

/** A labelled image dataset in memory. */
export interface Dataset {
  readonly name: string;
  readonly train: ImageArrays;
  /** Absent where the source has no test images. */
  readonly test?: ImageArrays;
  /** Number of classes; every label is below it. */
  readonly classes: number;
  /** Empty where the source names none. */
  readonly classNames: readonly string[];
  /** Per channel, of training pixels scaled to [0, 1]. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** Augmentation that suits these images: zero padding before a random crop in pixels, and whether to mirror. */
  readonly augmentation: { readonly pad: number; readonly flip: boolean };
  /** What a user should know, such as batches that are missing; one line each. */
  readonly notices: readonly string[];
}
