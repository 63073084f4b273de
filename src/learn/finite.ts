import { valueArenas } from '../backend/parameter_map.ts';
import type { Parameters } from '../backend/parameters.ts';
import { inSlices, type Steps, stepElements } from '../slices.ts';

/** The name of the first parameter that holds a NaN or an infinity; absent when all are finite. */
export async function firstNonFinite(parameters: Parameters): Promise<string | undefined> {
  for (const role of ['weight', 'buffer', 'alpha'] as const) {
    const values = await parameters.store.read(valueArenas[role]);
    if (Number.isFinite(await inSlices(sumSteps(values)))) continue;
    for (const { spec, offset, size } of parameters.map.places.values()) {
      if (spec.role === role && !values.subarray(offset, offset + size).every(Number.isFinite)) return spec.name;
    }
  }
  return undefined;
}

/** A sum in double precision of finite float32 cannot overflow, so it is finite exactly when all of them are. */
function* sumSteps(values: Float32Array): Steps<number> {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i];
    if (i % stepElements === 0) yield;
  }
  return sum;
}
