// Every case of the tables on an Arm processor that qemu imitates: NEON's kernels against the float64 reference, and to the bit
// across thread counts.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deserialize } from 'node:v8';
import { beforeAll, describe, expect, it } from 'vitest';
import { armLack, runOnArm } from '../helpers/arm.ts';
import { type ArmTensors, armKey } from '../helpers/arm_cases.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { caseWithReference } from '../helpers/kernel_case.ts';
import { caseTables, ops } from '../kernels/cases.ts';

const lack = armLack();
const [few, several] = [1, 3];

describe.skipIf(lack !== undefined)(`kernels on Arm${lack === undefined ? '' : `, ${lack}`}`, () => {
  let computed: ArmTensors;
  const of = (threads: number, op: string, name: string) => {
    const tensors = computed.tensors.get(armKey(threads, op, name));
    if (tensors === undefined) throw new Error(`${op} / ${name} was not computed with ${threads} threads`);
    return tensors;
  };

  beforeAll(() => {
    const folder = mkdtempSync(join(tmpdir(), 'dartsmith-arm-'));
    const file = join(folder, 'tensors');
    runOnArm('test/helpers/arm_cases.ts', [file, String(few), String(several)]);
    computed = deserialize(readFileSync(file)) as ArmTensors;
    rmSync(folder, { recursive: true });
  });

  it('are those of NEON', () => expect(computed.instructionSets).toEqual(['neon']));

  describe.each(ops)('%s', (op) => {
    const cases = caseTables[op].map((kernelCase) => [kernelCase.name, kernelCase] as const);

    it.each(cases)('%s: agrees with the reference', (name, kernelCase) => {
      const actual = of(several, op, name);
      for (const [tensor, { values, ...comparison }] of caseWithReference(kernelCase).expected) {
        expectClose(actual.get(tensor) ?? new Float32Array(0), values, {
          ...comparison,
          name: `${op} / ${name} / ${tensor}`,
        });
      }
    });

    it.each(cases)('%s: same bits for any number of threads', (name, kernelCase) => {
      const { expected } = caseWithReference(kernelCase);
      const one = of(few, op, name);
      const actual = of(several, op, name);
      expect([...actual.keys()]).toEqual([...one.keys()]);
      for (const [tensor, values] of actual) {
        expectSameBits(values, one.get(tensor)!, `${op} / ${name} / ${tensor}`, expected.get(tensor)?.shape);
      }
    });
  });
});
