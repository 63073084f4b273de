import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';

/** Classes of {@link imageFolder}, each of one colour. */
export const colours: Readonly<Record<string, readonly [number, number, number]>> = {
  n01: [200, 40, 40],
  n02: [40, 200, 40],
  n03: [40, 40, 200],
};

/** Writes a folder of class folders of small image files, `train` and `val` images a class; no two are alike. */
export async function imageFolder(folder: string, train: number, val: number): Promise<void> {
  for (const [split, count] of [
    ['train', train],
    ['val', val],
  ] as const) {
    for (const [name, colour] of Object.entries(colours)) {
      for (let i = 0; i < count; i++) {
        const file = join(folder, split, name, `${name}_${i}.${i % 3 === 2 ? 'PNG' : 'JPEG'}`);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, await encodedImage(colour, 30 + 5 * i, 40 + 3 * i, i % 3 === 2 ? 'png' : 'jpeg'));
      }
    }
  }
}

/** An image file of about one colour. */
export function encodedImage(
  colour: readonly [number, number, number],
  height: number,
  width: number,
  format: 'jpeg' | 'png' = 'jpeg',
): Promise<Buffer> {
  const pixels = Buffer.alloc(height * width * 3);
  for (let i = 0; i < pixels.length; i++) pixels[i] = colour[i % 3] + ((i * 7 + height) % 40);
  return sharp(pixels, { raw: { height, width, channels: 3 } })
    .toFormat(format)
    .toBuffer();
}
