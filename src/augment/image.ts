/** uint8 pixels `[height, width, channels]`. */
export interface Image {
  readonly pixels: Uint8Array;
  /** [height, width, channels] */
  readonly shape: readonly [number, number, number];
}

/** Grey value of an RGB pixel by the weights of ITU-R 601, in the fixed point arithmetic of PIL. */
export function greyOf(red: number, green: number, blue: number): number {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}
