import { randomBlock, type StreamKey } from '../random/philox.ts';

/**
 * The share that an image has in what mixup makes of it and its partner (Zhang et al., arXiv:1710.09412): from 0.5 to 1, the larger
 * of λ and 1 - λ for λ of Beta(α, α), as the partners change places. α is above 0 and at most 1; drawn by Jöhnk's rejection.
 */
export function mixupShare(alpha: number, stream: StreamKey): number {
  for (let index = 0; ; index++) {
    const [a, b] = randomBlock(stream, index);
    // Logarithms: with a small α the powers themselves are too small for a double.
    const x = Math.log((a + 0.5) / 2 ** 32) / alpha;
    const y = Math.log((b + 0.5) / 2 ** 32) / alpha;
    if (Math.exp(x) + Math.exp(y) > 1) continue;
    return Math.fround(1 / (1 + Math.exp(-Math.abs(x - y))));
  }
}
