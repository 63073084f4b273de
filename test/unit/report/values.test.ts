// Values as people read them, on the dashboard's page and in reports.
import { expect, it } from 'vitest';
import type { SeriesUnit } from '../../../src/report/run_view.ts';
import { unitOfScore, valueText } from '../../../src/report/values.ts';

it.each<[number, SeriesUnit, string]>([
  [0.93449, 'share', '93.4%'],
  [1.49, 'seconds', '1.5 s'],
  [59.4, 'seconds', '59 s'],
  [184, 'seconds', '3 min 4 s'],
  [18_360, 'seconds', '5 h 6 min'],
  [304.56, 'samples a second', '304.6/s'],
  [56.78, 'perplexity', '56.8'],
  [1_234_567, 'perplexity', '1.23e+6'],
  [-1_234_567, 'loss', '-1.23e+6'],
  [0.0001234, 'rate', '0.0001234'],
])('writes %d (%s) as %s', (value, unit, text) => expect(valueText(value, unit)).toBe(text));

it('takes the unit of a score from the series of its name, or from how it ends', () => {
  const series = [{ name: 'accuracyGap', unit: 'loss' }] as const;
  expect(unitOfScore('accuracyGap', series)).toBe('loss');
  expect(unitOfScore('testAccuracy', series)).toBe('share');
  expect(unitOfScore('top5Weights', series)).toBe('rate');
});
