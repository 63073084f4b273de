import type { Parameters } from '../../src/backend/parameters.ts';
import { normal } from '../../src/random/philox.ts';

/**
 * Moves what starts the same everywhere (running statistics, affine parts) or near zero (alphas) apart, as training does, so that
 * a value in the wrong place shows.
 */
export async function scatter(parameters: Parameters, seed: number): Promise<void> {
  let step = 0;
  for (const [name, { spec }] of parameters.map.places) {
    if (spec.initialiser.kind !== 'constant' && spec.role !== 'alpha') continue;
    const { data } = await parameters.get(name);
    const noise = normal({ seed, purpose: 'split', epoch: 0, step: step++ }, data.length);
    // A buffer that starts at 1 is a variance.
    const isVariance = spec.role === 'buffer' && data[0] === 1;
    await parameters.set(
      name,
      data.map((value, i) => (isVariance ? 1 + noise[i] ** 2 : value + 0.3 * noise[i])),
    );
  }
}
