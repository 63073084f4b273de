import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import type { ColourProfile } from '../../../src/data/dataset.ts';
import { decodeImage, middle, square } from '../../../src/data/decode.ts';
import { encodedImage } from '../../helpers/image_folder.ts';
import { scratch } from '../../helpers/scratch.ts';

/** Left half red, right half blue; each quarter from the middle out a little darker. */
function halves(height: number, width: number): Buffer {
  return Buffer.from(
    Array.from({ length: height * width }, (_, i) => (i % width < width / 2 ? [200, 0, 0] : [0, 0, 200])).flat(),
  );
}

function written(content: Buffer, name = 'image.jpg'): string {
  const path = join(scratch(), name);
  writeFileSync(path, content);
  return path;
}

const png = (pixels: Buffer, height: number, width: number, channels: 1 | 3 | 4 = 3) =>
  sharp(pixels, { raw: { height, width, channels } }).png();
const whole = (height: number, width: number) => ({ size: { height, width } });

/** An uncompressed little-endian TIFF of one strip: CMYK, eight bits an ink. */
function cmykTiff(height: number, width: number, inks: readonly number[]): Buffer {
  const bits = 8 + 2 + 10 * 12 + 4;
  const strip = bits + 8;
  const [short, long] = [3, 4];
  const tags = [
    [256, long, 1, width],
    [257, long, 1, height],
    [258, short, 4, bits],
    [259, short, 1, 1],
    // Separated: inks.
    [262, short, 1, 5],
    [273, long, 1, strip],
    [277, short, 1, 4],
    [278, long, 1, height],
    [279, long, 1, inks.length],
    [284, short, 1, 1],
  ];
  const file = Buffer.alloc(strip);
  file.write('II*\0', 0, 'latin1');
  file.writeUInt32LE(8, 4);
  file.writeUInt16LE(tags.length, 8);
  tags.forEach(([tag, type, count, value], i) => {
    const at = 10 + 12 * i;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(type, at + 2);
    file.writeUInt32LE(count, at + 4);
    file.writeUInt32LE(value, at + 8);
  });
  for (let ink = 0; ink < 4; ink++) file.writeUInt16LE(8, bits + 2 * ink);
  return Buffer.concat([file, Buffer.from(inks)]);
}

describe('middle', () => {
  it('resizes the shorter side to 256 of 224 and cuts the middle', () => {
    expect(middle([224, 224, 3], 375, 500)).toEqual({
      size: { height: 256, width: 341 },
      after: { top: 16, left: 59, height: 224, width: 224 },
    });
    expect(middle([224, 224, 3], 500, 375).size).toEqual({ height: 341, width: 256 });
    expect(middle([32, 32, 3], 10, 10)).toEqual({
      size: { height: 37, width: 37 },
      after: { top: 3, left: 3, height: 32, width: 32 },
    });
  });
});

describe('square', () => {
  it('leaves an image of the shape as it is, and cuts the middle of the longer side', () => {
    expect(square([32, 32, 3], 32, 32)).toEqual({
      size: { height: 32, width: 32 },
      after: { top: 0, left: 0, height: 32, width: 32 },
    });
    expect(square([32, 32, 3], 64, 96)).toEqual({
      size: { height: 32, width: 48 },
      after: { top: 0, left: 8, height: 32, width: 32 },
    });
  });
});

describe('colours', () => {
  const red = Buffer.from(new Array(16).fill([250, 30, 20]).flat());

  it('of a profile are converted, or taken as they are', async () => {
    const path = written(await png(red, 4, 4).withIccProfile('p3').toBuffer());
    const numbers = [...(await sharp(path, { ignoreIcc: true }).raw().toBuffer()).subarray(0, 3)];
    const first = async (profile?: ColourProfile) => [
      ...(await decodeImage(path, whole, profile)).pixels.subarray(0, 3),
    ];
    expect(await first('ignore')).toEqual(numbers);
    expect(await first()).toEqual(await first('convert'));
    // P3 holds sRGB's red at less than its own full strength.
    expect(numbers[0]).toBeLessThan(245);
    expect((await first('convert'))[0]).toBeGreaterThan(numbers[0]);
  });

  it("of CMYK are converted, or multiplied as PIL's convert('RGB') does", async () => {
    const inks = [
      [121, 65, 189, 242],
      [33, 6, 240, 132],
      [0, 0, 0, 0],
      [255, 0, 255, 0],
    ];
    // sharp takes four channels for RGB with alpha: a TIFF written by hand tells that they are inks.
    const path = written(cmykTiff(2, 2, inks.flat()), 'image.tif');
    // By PIL 11.3: Image.new('CMYK', (2, 2)) with these inks, convert('RGB').
    const multiplied = [7, 10, 3, 107, 120, 7, 255, 255, 255, 0, 255, 0];
    expect([...(await decodeImage(path, whole, 'ignore')).pixels]).toEqual(multiplied);
    expect([...(await decodeImage(path, whole)).pixels]).not.toEqual(multiplied);
  });
});

describe('decodeImage', () => {
  it('gives the pixels of an image, as they are where nothing is resized', async () => {
    const pixels = halves(6, 8);
    const path = written(await png(pixels, 6, 8).toBuffer());
    expect(await decodeImage(path, whole)).toEqual({ pixels: new Uint8Array(pixels), shape: [6, 8, 3] });
  });

  it('cuts before it resizes, and after', async () => {
    const path = written(await png(halves(40, 80), 40, 80).toBuffer());
    const right = { top: 5, left: 45, height: 20, width: 30 };
    const { pixels, shape } = await decodeImage(path, () => ({ before: right, size: { height: 4, width: 4 } }));
    expect(shape).toEqual([4, 4, 3]);
    expect([...pixels]).toEqual(new Array(16).fill([0, 0, 200]).flat());
    const left = { top: 0, left: 0, height: 10, width: 15 };
    const cut = await decodeImage(path, () => ({ size: { height: 20, width: 40 }, after: left }));
    expect(cut.shape).toEqual([10, 15, 3]);
    expect([...cut.pixels]).toEqual(new Array(150).fill([200, 0, 0]).flat());
  });

  it.each([
    ['grey', (image: Sharp) => image.toColourspace('b-w')],
    ['transparent', (image: Sharp) => image.ensureAlpha(0.5)],
    ['of 16 bits', (image: Sharp) => image.toColourspace('rgb16')],
    ['webp', (image: Sharp) => image.webp({ lossless: true })],
    ['tiff', (image: Sharp) => image.tiff()],
    ['avif', (image: Sharp) => image.avif()],
    ['gif', (image: Sharp) => image.gif()],
    ['of a palette', (image: Sharp) => image.png({ palette: true })],
  ])('gives three channels of bytes for an image that is %s', async (_, change) => {
    const { pixels, shape } = await decodeImage(written(await change(png(halves(8, 8), 8, 8)).toBuffer()), whole);
    expect([shape, pixels.length]).toEqual([[8, 8, 3], 192]);
  });

  it('does not turn an image as its tag says, since the published training does not', async () => {
    const path = written(await png(halves(6, 8), 6, 8).jpeg().withMetadata({ orientation: 6 }).toBuffer());
    expect((await decodeImage(path, whole)).shape).toEqual([6, 8, 3]);
  });

  it('refuses what is no image, with a reason', async () => {
    const jpeg = await encodedImage([90, 90, 90], 60, 80);
    const claims = await png(halves(4, 4), 4, 4).toBuffer();
    // Width and height of the header, whose checksum is then wrong as well.
    claims.writeUInt32BE(60_000, 16);
    claims.writeUInt32BE(60_000, 20);
    const narrow = await png(Buffer.alloc(3 * 200), 1, 200).toBuffer();
    for (const content of [
      Buffer.alloc(0),
      Buffer.from('not an image'),
      jpeg.subarray(0, 100),
      jpeg.subarray(0, -40),
      claims,
      narrow,
    ]) {
      await expect(decodeImage(written(content), whole)).rejects.toThrow(/./);
    }
    await expect(decodeImage(written(narrow), whole)).rejects.toThrow('expected sides of at most 64 to 1, found 1x200');
    await expect(decodeImage(scratch(), whole)).rejects.toThrow('expected a regular file');
    await expect(decodeImage('/nowhere.jpg', whole)).rejects.toThrow('ENOENT');
  });
});
