// Computes every case of the tables on this processor, with numbers of threads that are given, and writes the tensors to a file:
// arm_cases FILE THREADS...
import { writeFileSync } from 'node:fs';
import { serialize } from 'node:v8';
import { instructionSets, openDevice } from '../../src/backend/open.ts';
import { caseTables, ops } from '../kernels/cases.ts';
import { deviceTensors, prepareCase } from './kernel_case.ts';

/** What the file holds: the tensors by number of threads, op and case. */
export interface ArmTensors {
  readonly instructionSets: readonly string[];
  readonly tensors: ReadonlyMap<string, ReadonlyMap<string, Float32Array>>;
}

/** The key of a case's tensors. */
export function armKey(threads: number, op: string, name: string): string {
  return `${threads} ${op} ${name}`;
}

async function computeAll(file: string, counts: readonly number[]): Promise<void> {
  const tensors = new Map<string, ReadonlyMap<string, Float32Array>>();
  for (const threads of counts) {
    using device = await openDevice({ backend: 'cpu', threads });
    for (const op of ops) {
      for (const kernelCase of caseTables[op]) {
        tensors.set(armKey(threads, op, kernelCase.name), await deviceTensors(device, prepareCase(kernelCase)));
      }
    }
  }
  writeFileSync(file, serialize({ instructionSets: instructionSets(), tensors } satisfies ArmTensors));
}

if (import.meta.filename === process.argv[1]) {
  const [file, ...counts] = process.argv.slice(2);
  await computeAll(file, counts.map(Number));
}
