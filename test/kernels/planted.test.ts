// Kernels with planted bugs: shows that the stand-in for CUDA finds what the other tests rely on it to find.
import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/backend/native/addon.ts';
import { threadOrders } from '../helpers/simt.ts';

type Bug =
  | 'none'
  | 'missing barrier'
  | 'divergent barrier'
  | 'past shared memory'
  | 'past an allocation'
  | 'unwritten'
  | 'impatient'
  | 'dependent branches'
  | 'unjoined branch'
  | 'failing branch';

/** What only the stand-in's addon has: native/simt/planted.h. */
interface PlantedAddon {
  runPlanted(bug: Bug, device: number): Float32Array;
}

// Read when the first stream is made.
process.env.DARTSMITH_CUDA_EARLY = 'on';
const { runPlanted } = loadAddon('simt').addon as unknown as PlantedAddon;

/** What the kernel writes: 256 numbers from the last to the first. */
const reversed = Float32Array.from({ length: 256 }, (_, i) => 255 - i);

const differing = (values: Float32Array) => values.filter((value, i) => value !== reversed[i]).length;

describe('a kernel on the stand-in', () => {
  it.each([...threadOrders.entries()])('without a bug gives the same under order %i, %s', (index) => {
    expect(runPlanted('none', index)).toEqual(reversed);
  });

  it('with a missing barrier gives other numbers under another order', () => {
    const [forward, reverse, ...random] = threadOrders.map((_, index) => runPlanted('missing barrier', index));
    expect(reverse).not.toEqual(forward);
    for (const values of random) expect(differing(values)).toBeGreaterThan(0);
  });

  it('with a barrier that not all threads reach fails instead of hanging', () => {
    expect(() => runPlanted('divergent barrier', 0)).toThrow(/barrier that \d+ threads wait at is not reached by all/);
  });

  it('that writes one element past a part of shared memory is caught', () => {
    for (const index of threadOrders.keys()) {
      expect(() => runPlanted('past shared memory', index)).toThrow('wrote past a part of its shared memory');
    }
  });

  it('that writes one element past an allocation is caught', () => {
    expect(() => runPlanted('past an allocation', 0)).toThrow('wrote past an allocation');
  });

  it('that reads what nobody wrote sees NaN', () => {
    expect(runPlanted('unwritten', 0).every(Number.isNaN)).toBe(true);
  });

  it('that starts early and does not wait for those before it is caught', () => {
    expect(() => runPlanted('impatient', 0)).toThrow('does not wait for those before it');
  });

  it('in a branch of a graph that reads what another writes gives other numbers under another order', () => {
    const [forward, reverse] = threadOrders.map((_, index) => runPlanted('dependent branches', index));
    expect(forward).toEqual(Float32Array.from(reversed).reverse());
    expect(reverse).toEqual(reversed);
  });

  it('in a branch that nobody waits for cannot be recorded', () => {
    expect(() => runPlanted('unjoined branch', 0)).toThrow('unjoined work');
  });

  it('runs behind a recording that failed in a branch', () => {
    for (const index of threadOrders.keys()) expect(runPlanted('failing branch', index)).toEqual(reversed);
  });

  it('leaves the process and other devices usable after its fault', () => {
    expect(() => runPlanted('past shared memory', 0)).toThrow();
    expect(runPlanted('none', 0)).toEqual(reversed);
  });

  it('has a bug that is known', () => {
    expect(() => runPlanted('nothing like it' as Bug, 0)).toThrow("expected a known bug but got 'nothing like it'");
  });
});
