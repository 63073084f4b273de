// The goldens of recurrent cells among themselves: what their tensors say of each other.
import { describe, expect, it } from 'vitest';
import {
  masksOf,
  type RnnGolden,
  readRnnGolden,
  rnnMasks,
  rnnPasses,
  rnnScores,
  rnnSearches,
  rnnTrainings,
  rowOf,
  weightNames,
} from './rnn_goldens.ts';

const digits = 12;
/** Words, and numbers of a state. */
const sizesOf = ({ given }: RnnGolden) => given.get('encoder.weight')!.shape;
const numberOf = (golden: RnnGolden, name: string, ...indices: number[]) =>
  rowOf(golden.exact.get(name)!, ...indices).data[0];

/** All given weights as one vector. */
function start(golden: RnnGolden): number[] {
  return weightNames(golden).flatMap((name) => [...golden.given.get(name)!.data]);
}

function expectNear(actual: Iterable<number>, expected: Iterable<number>): void {
  const [ours, theirs] = [[...actual], [...expected]];
  expect(ours.length).toBe(theirs.length);
  const furthest = Math.max(...ours.map((value, i) => Math.abs(value - theirs[i])));
  expect(furthest).toBeLessThan(1e-12);
}

function meanSquare(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value * value, 0) / values.length;
}

function expectMasks(golden: RnnGolden, masks: ReturnType<typeof masksOf>, columns: number): void {
  const [words, size] = sizesOf(golden);
  expect(rnnMasks.map((name) => masks[name].shape)).toEqual([
    [words, 1],
    [1, columns, size],
    [columns, size],
    [columns, size],
    [1, columns, size],
  ]);
  for (const name of rnnMasks) {
    const keep = ['x', 'output'].includes(name) ? 0.5 : 0.8;
    expect([...masks[name].data].every((value) => value === 0 || value === 1 / keep)).toBe(true);
  }
}

describe.each(Object.keys(rnnPasses) as (keyof typeof rnnPasses)[])('%s', (name) => {
  const golden = readRnnGolden(name);
  const { exact, given, settings } = golden;
  const tokens = given.get('tokens')!;
  const [words, size] = sizesOf(golden);

  it('has the losses of its log-probabilities and its states', () => {
    const { data } = exact.get('logProbabilities')!;
    const targets = [...given.get('targets')!.data];
    const nll = -targets.reduce((sum, target, row) => sum + data[row * words + target], 0) / targets.length;
    expect(numberOf(golden, 'nll')).toBeCloseTo(nll, digits);
    const raw = exact.get('raw')!.data;
    const columns = tokens.shape[1] * size;
    const slowness = meanSquare(raw.slice(columns).map((value, i) => value - raw[i]));
    const activation = meanSquare(exact.get('dropped')!.data);
    const loss = nll + settings['alpha'] * activation + settings['beta'] * slowness;
    expect(numberOf(golden, 'loss')).toBeCloseTo(loss, digits);
    expect([...exact.get('lastHidden')!.data]).toEqual([...raw.slice(-columns)]);
  });

  it('drops by the given masks in front of the decoder', () => {
    const masks = masksOf(golden);
    expectMasks(golden, masks, tokens.shape[1]);
    const raw = exact.get('raw')!.data;
    expectNear(
      exact.get('dropped')!.data,
      raw.map((value, i) => value * masks.output.data[i % masks.output.data.length]),
    );
  });

  it('has a gradient of every weight, in its shape', () => {
    const gradients = weightNames(golden).map((weight) => exact.get(`gradient.${weight}`)!.shape);
    expect(gradients).toEqual(weightNames(golden).map((weight) => given.get(weight)!.shape));
    expect(exact.get('alphaGradient')?.shape).toEqual(given.get('alpha')?.shape);
  });
});

describe.each(rnnTrainings)('%s', (name) => {
  const golden = readRnnGolden(name);
  const { exact, given, settings } = golden;
  const steps = given.get('rows')!.data.length;

  it('clips by its norms and carries every group on', () => {
    const groups = settings['groups'];
    const columns = given.get('train')!.shape[1] / groups;
    for (let step = 0; step < steps; step++) {
      const coefficient = settings['clip'] / (numberOf(golden, 'gradientNorm', step) + 1e-6);
      expect(numberOf(golden, 'coefficient', step)).toBeCloseTo(coefficient, digits);
      for (let group = 0; group < groups; group++) expectMasks(golden, masksOf(golden, { step, group }), columns);
    }
    expect(exact.get('hidden')!.shape).toEqual([steps, groups, columns, sizesOf(golden)[1]]);
  });

  it('moves weights by at most its rate, and averages from the second step on', () => {
    const averages = exact.get('averages');
    expect(averages === undefined).toBe(settings['averaged'] === 0);
    let [before, sum] = [start(golden), start(golden).fill(0)];
    for (let step = 0; step < steps; step++) {
      const after = [...rowOf(exact.get('weights')!, step).data];
      const lags = settings['averaged'] === 1 && settings['current_rate'] === 0;
      const length = given.get('lengths')!.data[lags ? Math.max(step - 1, 0) : step];
      const rate = (settings['lr'] * length) / settings['bptt'];
      const applied = after.map((value, i) => (before[i] - value) / rate - settings['wdecay'] * before[i]);
      const norm = Math.hypot(...applied);
      const clipped = Math.min(settings['clip'], numberOf(golden, 'gradientNorm', step));
      // Rounding of 1e-16 over a rate, and the 1e-6 in the factor.
      expect(norm / clipped).toBeCloseTo(1, 4);
      if (step > 0) sum = sum.map((value, i) => value + after[i]);
      if (averages) expectNear(rowOf(averages, step).data, step === 0 ? after : sum.map((value) => value / step));
      before = after;
    }
  });
});

describe.each(rnnSearches)('%s', (name) => {
  const golden = readRnnGolden(name);
  const { exact, given, settings } = golden;
  const steps = given.get('rows')!.data.length;
  const groups = settings['groups'];

  it("gives alpha Adam's steps", () => {
    const alphas = [...given.get('alpha')!.data];
    const moments = alphas.map(() => ({ first: 0, second: 0 }));
    for (let update = 0; update < steps * groups; update++) {
      const at = [Math.floor(update / groups), update % groups];
      const gradient = rowOf(exact.get('alphaGradient')!, ...at).data;
      for (const [i, moment] of moments.entries()) {
        const slope = gradient[i] + settings['arch_wdecay'] * alphas[i];
        moment.first = 0.9 * moment.first + 0.1 * slope;
        moment.second = 0.999 * moment.second + 0.001 * slope * slope;
        const deviation = Math.sqrt(moment.second / (1 - 0.999 ** (update + 1))) + 1e-8;
        alphas[i] -= (settings['arch_lr'] * moment.first) / (1 - 0.9 ** (update + 1)) / deviation;
      }
      expectNear(rowOf(exact.get('alpha')!, ...at).data, alphas);
    }
  });

  it('has masks of every pass', () => {
    const passes = settings['unrolled']
      ? (['unrolled', 'validation', 'plus', 'minus', 'weights'] as const)
      : (['validation', 'weights'] as const);
    const columns = given.get('train')!.shape[1] / groups;
    for (const pass of passes)
      expectMasks(golden, masksOf(golden, { step: steps - 1, group: groups - 1, pass }), columns);
    const names = [...given.keys()].filter((key) => key.startsWith('mask.'));
    expect(names.length).toBe(passes.length * rnnMasks.length);
  });
});

describe.each(rnnSearches.filter((name) => name.startsWith('rnn_second_order')))('%s', (name) => {
  const golden = readRnnGolden(name);
  const { exact, given, settings } = golden;

  it('has the parts of its second order', () => {
    expect(settings['unrolled']).toBe(1);
    for (let step = 0; step < given.get('rows')!.data.length; step++) {
      for (let group = 0; group < settings['groups']; group++) {
        const part = (key: string) => rowOf(exact.get(key)!, step, group).data;
        const rate = (settings['lr'] * given.get('lengths')!.data[step]) / settings['bptt'];
        const [coefficient] = part('unrolledCoefficient');
        const factor = settings['clamped'] ? Math.min(1, coefficient) : coefficient;
        const [epsilon, direct, plus, minus, implicit] = ['epsilon', 'direct', 'plus', 'minus', 'implicit'].map(part);
        const scale = (rate * factor) / (2 * epsilon[0]);
        expectNear(
          implicit,
          plus.map((value, i) => scale * (value - minus[i])),
        );
        expectNear(
          part('alphaGradient'),
          direct.map((value, i) => value - implicit[i]),
        );
        const clipped = Math.min(1, settings['clip'] / (part('directionNorm')[0] + 1e-6)) * part('directionNorm')[0];
        expect(epsilon[0]).toBeCloseTo(0.01 / clipped, digits);
      }
    }
  });

  it('keeps the embedding of the unrolled weights, where that is not repaired', () => {
    const embedding = given.get('encoder.weight')!.data;
    const unrolled = rowOf(exact.get('unrolled')!, 0, 0).data.slice(0, embedding.length);
    const stays = [...unrolled].every((value, i) => value === embedding[i]);
    expect(stays).toBe(settings['new_embedding'] === 0);
  });
});

describe('a switch', () => {
  const weightsOf = (name: string) => [...readRnnGolden(name).exact.get('weights')!.data];

  it.each([
    ['rnn_asgd_current_rate', 'rnn_asgd'],
    ['rnn_first_order_zero_at_wrap', 'rnn_first_order'],
    ['rnn_first_order_groups_added', 'rnn_first_order_groups'],
    ['rnn_second_order_new_embedding', 'rnn_second_order'],
    ['rnn_second_order_same_masks', 'rnn_second_order'],
    ['rnn_second_order_clamped', 'rnn_second_order_unclipped'],
  ])('%s changes what comes out of %s', (repaired, kept) => {
    expect(weightsOf(repaired)).not.toEqual(weightsOf(kept));
  });
});

describe.each(Object.keys(rnnScores))('%s', (name) => {
  const golden = readRnnGolden(name);

  it('divides by all rows as published, by those with a target to be exact', () => {
    const [rows] = golden.given.get('text')!.shape;
    const [published, exact] = ['published', 'exact'].map((key) => numberOf(golden, key));
    expect(published * rows).toBeCloseTo(exact * (rows - 1), digits);
  });
});
