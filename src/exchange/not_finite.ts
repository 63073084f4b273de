import type { WeightTensor } from '../io/safetensors.ts';

/** A line about weights that are NaN or infinite; none where all are finite. `source` is where they are from. */
export function notFinite(tensors: ReadonlyMap<string, WeightTensor>, source: string): string[] {
  let count = 0;
  const names: string[] = [];
  for (const [name, { data }] of tensors) {
    const before = count;
    // As the float32 that they become.
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(Math.fround(data[i]))) count++;
    if (count > before) names.push(name);
  }
  if (count === 0) return [];
  const where = names.length === 1 ? names[0] : `${names.length} tensors, the first of them ${names[0]}`;
  return [`${source}: ${count === 1 ? 'a weight is' : `${count} weights are`} NaN or infinite, in ${where}`];
}
