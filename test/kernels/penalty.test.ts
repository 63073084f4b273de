// Penalties on architecture parameters, on every backend: values by the papers' formulas in float64, gradients by finite differences.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Device, Penalty, PenaltyCommand } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { DartsmithError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { MixingActivation } from '../../src/graph/graph.ts';
import { allBackends } from '../helpers/backends.ts';
import { expectClose } from '../helpers/compare.ts';
import { gaussian } from '../helpers/kernel_case.ts';

const rowLengths = { normal: [7, 7, 3], reduce: [1, 8] };

const graph = (() => {
  const builder = new GraphBuilder();
  for (const [name, lengths] of Object.entries(rowLengths)) builder.alpha(name, lengths, 1);
  return builder.finish(builder.linear('last', builder.input('x', [3]), 2));
})();

type Tables = Readonly<Record<string, Float64Array>>;
type Counted = Readonly<Record<string, readonly boolean[]>>;

interface Form {
  readonly penalty: Penalty;
  readonly activation: MixingActivation;
}

/** All entries of the counted tables, a row at a time. */
function rowsOf(tables: Tables, counted: Counted) {
  return Object.entries(counted).flatMap(([name, flags]) => {
    let offset = 0;
    return rowLengths[name as keyof typeof rowLengths].map((length) => {
      offset += length;
      const part = <T>(list: ArrayLike<T>) => Array.from(list).slice(offset - length, offset);
      return { alpha: part(tables[name]), counts: part(flags) };
    });
  });
}

/** The penalty as its paper writes it. */
function value({ penalty, activation }: Form, tables: Tables, counted: Counted): number {
  const rows = rowsOf(tables, counted);
  const mean = (terms: readonly number[]) =>
    terms.length === 0 ? 0 : terms.reduce((total, term) => total + term, 0) / terms.length;
  if (penalty === 'beta') {
    return mean(
      rows
        .filter(({ counts }) => counts[0])
        .map(({ alpha }) => Math.log(alpha.reduce((sum, a) => sum + Math.exp(a), 0))),
    );
  }
  const entries = rows.flatMap(({ alpha, counts }) => {
    const total = alpha.reduce((sum, a) => sum + Math.exp(a), 0);
    const weights = alpha.map((a) => (activation === 'sigmoid' ? 1 / (1 + Math.exp(-a)) : Math.exp(a) / total));
    return alpha.flatMap((a, k) => (counts[k] ? [{ a, weight: weights[k] }] : []));
  });
  if (penalty === 'l1') return entries.reduce((sum, { a }) => sum + Math.abs(a), 0);
  const power = penalty === 'zeroOneL2' ? 2 : 1;
  return -mean(entries.map(({ weight }) => Math.abs(weight - 0.5) ** power));
}

/** Central differences; the L1 forms have no kink near the drawn numbers. */
function slopes(form: Form, tables: Tables, counted: Counted, name: string): Float64Array {
  const step = 1e-5;
  return tables[name].map((_, i) => {
    const moved = (by: number) => ({ ...tables, [name]: tables[name].map((a, k) => (k === i ? a + by : a)) });
    return (value(form, moved(step), counted) - value(form, moved(-step), counted)) / (2 * step);
  });
}

const everything: Counted = { normal: Array(17).fill(true), reduce: Array(9).fill(true) };
const forms: readonly Form[] = (['zeroOneL2', 'zeroOneL1', 'l1', 'beta'] as const).flatMap((penalty) =>
  (['softmax', 'sigmoid'] as const).map((activation) => ({ penalty, activation })),
);

describe.each(allBackends)('penalty on $name', (backend) => {
  let device: Device;
  let parameters: Parameters;

  beforeEach(async () => {
    device = await openDevice(backend.device);
    parameters = await device.createParameters(graph, { seed: 3 });
  });

  afterEach(() => {
    parameters.dispose();
    device.dispose();
  });

  async function tables(): Promise<Tables> {
    const read = async (name: string) => [name, Float64Array.from((await parameters.get(name)).data)] as const;
    return Object.fromEntries(await Promise.all(Object.keys(rowLengths).map(read)));
  }

  async function expectPenalty(form: Form, counted: Counted, command: PenaltyCommand): Promise<void> {
    const before = gaussian(parameters.map.totals.alpha, 5);
    await parameters.store.write('alphaGradients', 0, Float32Array.from(before));
    const [{ penalty }] = await device.execute([command]);
    const given = await tables();
    expectClose(Float32Array.of(penalty ?? Number.NaN), Float64Array.of(value(form, given, counted)), {
      name: 'penalty',
      tolerance: 1e-6,
    });
    const gradients = await parameters.store.read('alphaGradients');
    for (const name of Object.keys(rowLengths)) {
      const { offset, size } = parameters.map.places.get(name)!;
      const expected = slopes(form, given, counted, name).map(
        (slope, i) => before[offset + i] + command.weight * slope,
      );
      const actual = gradients.subarray(offset, offset + size);
      expectClose(actual, expected, {
        name: `gradient of ${name}`,
        tolerance: 2e-6 * Math.max(1, Math.abs(command.weight)),
      });
    }
  }

  it.each(forms)('$penalty through $activation adds its gradient and reports its value', async (form) => {
    for (const weight of [10, 0, -0.5]) {
      await expectPenalty(form, everything, { kind: 'penalty', parameters, ...form, weight });
    }
  });

  it.each(forms.filter(({ penalty }) => penalty !== 'beta'))(
    '$penalty through $activation of some entries',
    async (form) => {
      const flags = Array.from({ length: 17 }, (_, i) => i % 3 === 0);
      const entries = { normal: Uint8Array.from(flags, Number) };
      await expectPenalty(form, { normal: flags }, { kind: 'penalty', parameters, ...form, weight: 3, entries });
    },
  );

  it('beta of some rows, and of none', async () => {
    const form = { penalty: 'beta', activation: 'softmax' } as const;
    const flags = Array.from({ length: 17 }, (_, i) => i < 7 || i >= 14);
    const command = { kind: 'penalty', parameters, penalty: 'beta', weight: 2 } as const;
    await expectPenalty(form, { normal: flags }, { ...command, entries: { normal: Uint8Array.from(flags, Number) } });
    await expectPenalty(form, {}, { ...command, entries: {} });
  });

  it('of alphas of 0 has no slope: the loss moves first', async () => {
    await parameters.store.write('alpha', 0, new Float32Array(parameters.map.totals.alpha));
    for (const penalty of ['zeroOneL2', 'zeroOneL1', 'l1'] as const) {
      await parameters.store.write('alphaGradients', 0, new Float32Array(parameters.map.totals.alpha));
      const [outcome] = await device.execute([
        { kind: 'penalty', parameters, penalty, activation: 'sigmoid', weight: 10 },
      ]);
      expect(outcome.penalty, penalty).toBeCloseTo(0, 12);
      expect(
        (await parameters.store.read('alphaGradients')).every((slope) => slope === 0),
        penalty,
      ).toBe(true);
    }
  });

  it('stays finite for alphas far out', async () => {
    const far = Float32Array.from({ length: parameters.map.totals.alpha }, (_, i) => (i % 2 === 0 ? 200 : -200));
    await parameters.store.write('alpha', 0, far);
    for (const form of forms) {
      await parameters.store.write('alphaGradients', 0, new Float32Array(far.length));
      const [{ penalty }] = await device.execute([{ kind: 'penalty', parameters, ...form, weight: 1 }]);
      expect(Number.isFinite(penalty), form.penalty).toBe(true);
      expect((await parameters.store.read('alphaGradients')).every(Number.isFinite), form.penalty).toBe(true);
    }
  });

  it.each<[string, object, RegExp]>([
    ['another form', { penalty: 'l2' }, /zeroOneL2.*commands\[0\]\.penalty/],
    ['a weight that is no number', { weight: Number.NaN }, /commands\[0\]\.weight/],
    ['another activation', { activation: 'relu' }, /commands\[0\]\.activation/],
    ['a table that there is not', { entries: { other: new Uint8Array(3) } }, /tables for commands\[0\]\.entries/],
    ['entries of another length', { entries: { normal: new Uint8Array(3) } }, /17 ones and zeros/],
    ['entries that are neither 1 nor 0', { entries: { reduce: new Uint8Array(9).fill(2) } }, /ones and zeros/],
    [
      'parts of rows for beta',
      { penalty: 'beta', entries: { normal: Uint8Array.of(1, ...Array(16).fill(0)) } },
      /row 0/,
    ],
  ])('refuses %s', async (_, fields, message) => {
    const command = { kind: 'penalty', parameters, penalty: 'l1', weight: 1, ...fields } as PenaltyCommand;
    const refused = device.execute([command]);
    await expect(refused).rejects.toThrow(DartsmithError);
    await expect(refused).rejects.toThrow(message);
  });
});
