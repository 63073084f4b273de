// A step of alpha some of whose choices were cut (`cutChoices`), for those who search by hand with CDARTS (arXiv:2006.10724).
import type { AdamCommand, Device, GradientsCommand, Outcome, PenaltyCommand } from '../../backend/device.ts';
import { Parameters } from '../../backend/parameters.ts';
import { checkRecord } from '../../checks.ts';
import { ArgumentError, invalid } from '../../errors.ts';
import { checkDevice } from '../../kernels/open.ts';
import { mapValues } from '../../map_values.ts';
import type { Supernet } from '../../network/supernet.ts';
import { readAlpha } from '../../select/alpha.ts';
import { isCut } from './regularised.ts';

/** A step of alpha, by commands as a search gives them: a pass that leaves its gradient, the penalty, and what then moves it. */
export interface CutStep {
  readonly pass: GradientsCommand;
  readonly penalty?: PenaltyCommand;
  readonly adam: AdamCommand;
}

/**
 * Takes a step as if there were nothing else than what is left: in the pass, whose rows with cuts have their mixing weights given, what is cut does
 * not run; the step leaves it out, where the original's optimiser makes NaN of it. Gives the outcomes of the commands.
 */
export async function stepUncut(
  device: Device,
  supernet: Supernet,
  parameters: Parameters,
  step: CutStep,
): Promise<Outcome[]> {
  checkDevice(device);
  checkRecord('supernet', supernet, 'graph, space and tables');
  if (!(parameters instanceof Parameters)) throw invalid('parameters', 'parameters of the supernet', parameters);
  checkRecord('step', step, 'pass, penalty and adam');
  if (Object.values(supernet.tables).some(({ betas }) => betas !== undefined)) {
    throw new ArgumentError(
      "a step of cut choices is for a supernet that does not learn how much edges count (nodes: 'learnt')",
    );
  }
  const { pass, penalty, adam } = step;
  const { alpha, mixing } = await readAlpha(supernet, parameters);
  const given = Object.fromEntries(
    Object.entries(mixing).map(([name, rows]) => {
      const hasCut = (row: number) => alpha[name][row].some(isCut);
      return [name, rows.map((row, index) => (hasCut(index) ? Float32Array.from(row) : undefined))];
    }),
  );
  const [passed] = await device.execute([{ ...pass, mixing: given }]);
  for (const [name, rows] of Object.entries(given)) await followLogits(parameters, name, rows);
  // Meanwhile 0, as the gradient is, so that nothing moves or decays it.
  const marked = mapValues(alpha, (rows) => rows.flat().map(isCut));
  const setCut = async (value: number) => {
    for (const [name, cuts] of Object.entries(marked)) {
      const logits = (await parameters.get(name)).data.map((logit, index) => (cuts[index] ? value : logit));
      await parameters.set(name, logits);
    }
  };
  await setCut(0);
  try {
    return [passed, ...(await device.execute([...(penalty === undefined ? [] : [penalty]), adam]))];
  } finally {
    await setCut(Number.NEGATIVE_INFINITY);
  }
}

/** Where rows were given a pass leaves the gradient of their mixing weights: makes that of their logits of it, through the softmax. */
async function followLogits(
  parameters: Parameters,
  name: string,
  given: readonly (Float32Array | undefined)[],
): Promise<void> {
  const { data } = await parameters.gradient(name);
  const { spec, offset } = parameters.map.places.get(name)!;
  let first = 0;
  for (const [row, length] of (spec.rowLengths ?? []).entries()) {
    const weights = given[row];
    const gradient = data.subarray(first, first + length);
    first += length;
    if (weights === undefined) continue;
    const mean = weights.reduce((sum, weight, index) => sum + weight * gradient[index], 0);
    gradient.set(weights.map((weight, index) => weight * (gradient[index] - mean)));
  }
  await parameters.store.write('alphaGradients', offset, data);
}
