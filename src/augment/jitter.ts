import { brightness, contrast, saturation, turnHue } from './colour.ts';
import type { Image } from './image.ts';
import type { Random } from './random.ts';

/**
 * Changes brightness, contrast and saturation of an RGB image by factors from 1 - strength to 1 + strength, and turns its hue by up
 * to `hue` of the colour circle either way, in random order.
 */
export function jitter(image: Image, { strength, hue }: { strength: number; hue: number }, random: Random): Image {
  const changes = [brightness, contrast, saturation].map((change) => {
    const factor = random.between(1 - strength, 1 + strength);
    return (changed: Image) => (strength === 0 ? changed : change(changed, factor));
  });
  const turn = random.between(-hue, hue);
  changes.push((changed) => (hue === 0 ? changed : turnHue(changed, turn)));
  let changed = image;
  while (changes.length > 0) {
    const [change] = changes.splice(random.below(changes.length), 1);
    changed = change(changed);
  }
  return changed;
}
