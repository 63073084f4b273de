import { caseWithReference, deviceTensors } from '../helpers/kernel_case.ts';
import { caseTables, ops } from '../kernels/cases.ts';
import type { Subject } from './subject.ts';
import { betweenTwo } from './tolerances.ts';

/** Every primitive and composite node, forward and backward: `most` cases of each table. */
export function nodeSubjects(most = Number.POSITIVE_INFINITY): Subject[] {
  return ops.flatMap((op) =>
    caseTables[op].slice(0, most).map((kernelCase): Subject => {
      const prepare = () => {
        const { prepared, expected } = caseWithReference(kernelCase);
        return {
          run: (device: Parameters<typeof deviceTensors>[0]) => deviceTensors(device, prepared),
          allowed: betweenTwo(expected),
        };
      };
      return { part: 'nodes', row: op, name: `${op}, ${kernelCase.name}`, draws: 1, prepare };
    }),
  );
}
