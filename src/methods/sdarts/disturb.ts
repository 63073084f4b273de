// SDARTS (Chen, Hsieh, arXiv:2002.05283): weights learn at mixing weights that are disturbed, so that they do not hang on exact ones.
import type { Command, Mixing } from '../../backend/device.ts';
import { uniform } from '../../random/philox.ts';
import { readAlpha } from '../../select/alpha.ts';
import type { DisturbedStep, GivenRows } from '../alternating_parts.ts';
import type { SdartsSettings } from './settings.ts';
import { attackedRow, movedRow } from './simplex.ts';

/** Steps of the attack, along the sign of the gradient. */
const attackSteps = 7;

/** Mixing weights by table, every row of them. */
type Rows = Readonly<Record<string, readonly Float32Array[]>>;

/** As many numbers of [0, 1) as a row has weights; `row` counts those of all tables. */
export type RowDraw = (row: number, length: number) => Float64Array;

/**
 * The mixing weights that the weights of a step learn at. `epsilon` is how far at most a weight moves, `draw` where the attack begins or random
 * smoothing ends: by the run's seed unless told.
 */
export async function disturb(
  step: DisturbedStep<SdartsSettings>,
  epsilon: number,
  draw: RowDraw = drawOf(step),
): Promise<Mixing> {
  const undisturbed = await rowsOf(step);
  const random = openRows(undisturbed, step.given, (row, part, index) => {
    const draws = draw(part + index, row.length);
    return movedRow(
      row,
      draws.map((value) => epsilon * (2 * value - 1)),
    );
  });
  return step.settings.perturbAlpha === 'random' ? random : attack(step, undisturbed, random, epsilon);
}

function drawOf({ seed, at }: DisturbedStep<SdartsSettings>): RowDraw {
  // Step 0 of this purpose is where alpha begins.
  const stream = { seed, purpose: 'architecture', epoch: at.epoch, step: at.step + 1 } as const;
  return (row, length) => uniform({ ...stream, part: row }, length);
}

/** The largest move in an epoch of a search: it grows from a tenth. */
export function epsilonIn({ epsilonAlpha, epochs }: SdartsSettings, epoch: number): number {
  return epsilonAlpha * (0.1 + (0.9 * epoch) / epochs);
}

/** The mixing weights that the network sees. */
async function rowsOf({ supernet, program, given }: DisturbedStep<SdartsSettings>): Promise<Rows> {
  const { mixing } = await readAlpha(supernet, program.parameters);
  const tables = Object.entries(mixing).map(([name, rows]) => {
    return [name, rows.map((row, index) => given[name]?.[index] ?? Float32Array.from(row))] as const;
  });
  return Object.fromEntries(tables);
}

/** The same rows, those that are not given changed; `part` numbers the rows of all tables. */
function openRows(
  rows: Rows,
  given: GivenRows,
  change: (row: Float32Array, part: number, index: number, name: string) => Float32Array,
): Rows {
  let part = 0;
  const changed = Object.entries(rows).map(([name, table]) => {
    const first = part;
    part += table.length;
    return [name, table.map((row, i) => (given[name]?.[i] ? row : change(row, first, i, name)))] as const;
  });
  return Object.fromEntries(changed);
}

/**
 * Projected gradient ascent of the loss within ±`epsilon`, in evaluation mode, from `random`; given up where it does not make the loss
 * larger than at the `undisturbed` weights.
 */
async function attack(
  step: DisturbedStep<SdartsSettings>,
  undisturbed: Rows,
  random: Rows,
  epsilon: number,
): Promise<Mixing> {
  const { device, program, train, given } = step;
  const lossAt = async (mixing: Mixing) => {
    const [{ loss = Number.NaN }] = await device.execute([
      { kind: 'evaluate', program, batch: train, statistics: 'running', mixing },
    ]);
    return loss;
  };
  const first = await lossAt(undisturbed);
  let rows = random;
  const how = { step: (2 * epsilon) / attackSteps, epsilon };
  for (let i = 0; i < attackSteps; i++) {
    const pass: Command = {
      kind: 'gradients',
      program,
      batch: train,
      target: 'alpha',
      statistics: 'running',
      mixing: rows,
    };
    await device.execute([pass]);
    const gradients = await gradientRows(step, rows);
    rows = openRows(rows, given, (row, _, index, name) =>
      attackedRow(row, undisturbed[name][index], gradients[name][index], how),
    );
  }
  return first > (await lossAt(rows)) ? undisturbed : rows;
}

/** The gradient of the mixing weights that the last pass was given. */
async function gradientRows({ program }: DisturbedStep<SdartsSettings>, rows: Rows): Promise<Rows> {
  const tables = Object.entries(rows).map(async ([name, table]) => {
    const { data } = await program.parameters.gradient(name);
    let begin = 0;
    const gradients = table.map(({ length }) => {
      begin += length;
      return data.subarray(begin - length, begin);
    });
    return [name, gradients] as const;
  });
  return Object.fromEntries(await Promise.all(tables));
}
