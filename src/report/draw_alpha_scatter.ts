// A picture of what mixing weights tell: accuracy of the network with a candidate to the right, its mixing weight upwards.
import { aName, aNumber, check, isRecord, type Rule } from '../checks.ts';
import { pearson } from '../statistics/rank_correlation.ts';
import { axes, roomAround, scalesOf, ticksOf } from './axes.ts';
import { operationColours } from './colours.ts';
import { labelPlaces } from './label_places.ts';
import { inks, picture, shape, textAt, within } from './svg.ts';

/** A candidate as the picture takes it. */
export interface DrawnCandidate {
  readonly candidate: string;
  readonly mixing: number;
  /** From 0 to 1. */
  readonly accuracy: number;
}

const share = aNumber(0, 1);

const drawnCandidates: Rule = {
  words: 'a list of candidates as correlateAlpha gives them',
  holds: (value) => Array.isArray(value) && value.length > 0 && value.every(isDrawn),
};

function isDrawn(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { candidate, mixing, accuracy } = value;
  return aName.holds(candidate) && share.holds(mixing) && share.holds(accuracy);
}

/** 6 by 6 inches, as the other plots of an edge. */
const side = 432;
const labelSize = 11;

/**
 * Candidates of an edge by accuracy and mixing weight, with Pearson's r of the two, as SVG (StacNAS, arXiv:1909.11926). `name`: what they are
 * of. Throws ArgumentError for what are none.
 */
export function drawAlphaScatter(name: string, candidates: readonly DrawnCandidate[]): string {
  check('name', name, aName);
  check('candidates', candidates, drawnCandidates);
  const box = within({ x: 0, y: 0, width: side, height: side }, { left: 72, top: 44, right: 22, bottom: 46 });
  const percents = candidates.map(({ accuracy }) => 100 * accuracy);
  const weights = candidates.map(({ mixing }) => mixing);
  const [x, y] = [roomAround(percents), roomAround(weights)];
  const scales = scalesOf(box, x, y);
  const dots = candidates.map(({ candidate }, i) => ({
    ...{ x: scales.x(percents[i]), y: scales.y(weights[i]) },
    name: candidate,
  }));
  const colours = operationColours(dots.map((dot) => dot.name));
  const places = labelPlaces(box, dots, labelSize);
  const r = pearson(weights, percents);
  const labels = { xLabel: 'stand-alone accuracy, %', yLabel: 'mixing weight', yRoom: 40 };
  return picture(side, side, [
    textAt(side / 2, 18, `Pearson r ${r === null ? 'undefined' : r.toFixed(3)}`, {
      size: 13,
      anchor: 'middle',
      bold: true,
    }),
    textAt(side / 2, 34, name, { size: 10, anchor: 'middle' }),
    ...axes(box, { x, y, xTicks: ticksOf(x, 5), yTicks: ticksOf(y, 5), ...labels }),
    ...dots.map((dot) =>
      shape('circle', {
        cx: dot.x,
        cy: dot.y,
        r: 5,
        fill: colours.get(dot.name),
        stroke: inks.text,
        'stroke-width': 0.7,
      }),
    ),
    ...dots.map((dot, i) => textAt(places[i].x, places[i].y, dot.name, { size: labelSize, anchor: places[i].anchor })),
  ]);
}
