/** uint8 images `[count, height, width, channels]` and one label each. */
export interface ImageArrays {
  readonly images: Uint8Array;
  readonly labels: Int32Array;
  /** [height, width, channels] */
  readonly shape: readonly [number, number, number];
}

/** Image files, which are decoded and brought to one shape when they are wanted. */
export interface ImageFiles {
  /** What the class folders lie in. */
  readonly folder: string;
  /** One a class. */
  readonly classFolders: readonly string[];
  /** One an image, within the folder of its class. */
  readonly names: readonly string[];
  readonly labels: Int32Array;
  /** [height, width, channels] that they are brought to. */
  readonly shape: readonly [number, number, number];
  /** What becomes of an embedded colour profile; `convert` when absent. */
  readonly colourProfile?: ColourProfile;
}

/** What may become of a colour profile that an image embeds, and of CMYK. */
export const colourProfiles = ['convert', 'ignore'] as const;

/**
 * `convert` gives the sRGB colours that a viewer would show. `ignore` takes the numbers for sRGB as they are, and CMYK's by plain
 * multiplication, as PIL's convert('RGB') does in the published trainings.
 */
export type ColourProfile = (typeof colourProfiles)[number];

/** Labelled images, in memory or in files. */
export type ImageSet = ImageArrays | ImageFiles;

/** A labelled image dataset; in memory unless its type says otherwise. */
export interface Dataset<Images extends ImageSet = ImageArrays> {
  readonly name: string;
  readonly train: Images;
  /** Absent where the source has no test images. */
  readonly test?: Images;
  /** Where test images were looked for in vain, for messages, such as 'D has no val (found train)'. */
  readonly lacksTest?: string;
  /** Number of classes; every label is below it. */
  readonly classes: number;
  /** Empty where the source names none. */
  readonly classNames: readonly string[];
  /** Per channel, of training pixels scaled to [0, 1]. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** Augmentation that suits these images: zero padding before a random crop in pixels, and whether to mirror. */
  readonly augmentation: { readonly pad: number; readonly flip: boolean };
  /** What goes with random affine maps, where such maps suit these images and a method asks for them; absent where they do not. */
  readonly affine?: AffineImages;
  /** What a user should know, such as batches that are missing; one line each. */
  readonly notices: readonly string[];
}

/** What goes with random affine maps of images. */
export interface AffineImages {
  /** In place of the dataset's. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** Whether images may be flipped behind them. */
  readonly flip: boolean;
}

/** No images of a shape. */
export function noImages(shape: ImageArrays['shape']): ImageArrays {
  return { images: new Uint8Array(0), labels: new Int32Array(0), shape };
}

/** Whether a dataset's images lie in memory. */
export function isInMemory(dataset: Dataset<ImageSet>): dataset is Dataset {
  return 'images' in dataset.train;
}

/** What decides the size of a dataset's images, as its user knows it. */
export function sizeOption(dataset: Dataset<ImageSet>): string {
  return isInMemory(dataset) ? `the images of dataset '${dataset.name}'` : 'imageSize (--image-size)';
}

/** The notice of a dataset without test images, whose `lacksTest` says why. */
export function lackNotice(lacksTest: string): string {
  return `${lacksTest}: there are no test images`;
}
