// The conformance suite on the backends that every machine has, in small; and that it finds a fault and says where.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/backend/device.ts';
import { allAgree, matrixLines } from '../conformance/matrix.ts';
import { openPlaces, type Place, usablePlaces } from '../conformance/places.ts';
import type { Subject } from '../conformance/subject.ts';
import { type Result, runSubject, subjects } from '../conformance/suite.ts';
import { wrapDevice } from '../helpers/wrapped_device.ts';

const all = subjects(true);
// Those that take minutes on simt are left to `npm run conformance` there, and steps of second order altogether:
// test/tfjs/training.test.ts takes ten of a smaller net.
const isLong = ({ part, row }: Subject) =>
  part === 'ten steps' || (part === 'hypergradient' && !row.startsWith('sigmoid'));
let places: Place[];

beforeAll(async () => {
  places = await openPlaces((await usablePlaces()).filter((name) => name !== 'cuda'));
});
afterAll(() => {
  for (const place of places) place[Symbol.dispose]();
});

async function run(chosen: readonly Subject[], on: readonly Place[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const subject of chosen) results.push(await runSubject(subject, on));
  return results;
}

it('knows tfjs, cpu and simt here', () => {
  expect(places.map(({ name }) => name)).toEqual(['tfjs', 'cpu', 'simt']);
});

describe('every two backends agree', () => {
  it('on nodes, supernets and a hypergradient', async () => {
    const results = await run(
      all.filter((subject) => !isLong(subject)),
      places,
    );
    expect(allAgree(results), matrixLines(places, results).join('\n')).toBe(true);
    expect(results.every(({ comparisons }) => comparisons.length === 3)).toBe(true);
  });

  it('on hypergradients and ten steps of a search', async () => {
    const fast = places.filter(({ name }) => name !== 'simt');
    const chosen = all.filter((subject) => isLong(subject) && !subject.row.endsWith('second order'));
    const results = await run(chosen, fast);
    expect(allAgree(results), matrixLines(fast, results).join('\n')).toBe(true);
  });
});

describe('a fault', () => {
  const relu = all.filter(({ row }) => row === 'relu')[1];

  /** The CPU with a change to what a vjp gives. */
  function faulty(change: (outcome: Outcome) => Outcome): Place[] {
    const cpu = places.find(({ name }) => name === 'cpu')!;
    return [cpu, { ...cpu, name: 'tfjs', device: wrapDevice(cpu.device, change) }];
  }

  it('is found, with its element, place and both values, and fails its cell of the matrix', async () => {
    const two = faulty((outcome) => {
      outcome.inputGradients?.['x'].set([7], 3);
      return outcome;
    });
    const results = await run([relu], two);
    expect(allAgree(results)).toBe(false);
    const text = matrixLines(two, results).join('\n');
    expect(text).toMatch(
      /FAILED relu, .*: gradient of input x: at \[[\d, ]+\] cpu has [-.\d]+, tfjs 7 \(.* apart, allowed .*\)/,
    );
    expect(text).toMatch(/^ {2}relu .* FAILED 1$/m);
  });

  it.each([
    ['a number that is none', () => Number.NaN, /tfjs NaN/],
    ['an error that was thrown', () => expect.fail('broken'), /FAILED relu, .*: tfjs: broken/],
  ])('is found: %s', async (_, value, message) => {
    const two = faulty((outcome) => {
      outcome.inputGradients?.['x'].set([value()], 0);
      return outcome;
    });
    const results = await run([relu], two);
    expect(matrixLines(two, results).join('\n')).toMatch(message);
  });
});
