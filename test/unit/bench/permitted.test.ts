import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { judgeSpills } from '../../../bench/support/permitted.ts';

describe('judgeSpills', () => {
  const spill = (kernel: string, architecture: string, amount: number) => ({ kernel, architecture, amount });
  const permit = (kernel: string, architecture: string, most: number, reason = 'once a block') => ({
    kernel,
    architecture,
    most,
    reason,
  });

  it('refuses what no entry covers or what is larger than its entry', () => {
    const found = [
      spill('a<fp32>', 'sm_80', 8),
      spill('a<bf16>', 'sm_90', 8),
      spill('b', 'sm_80', 9),
      spill('c', 'sm_80', 0),
    ];
    const permitted = [permit('a<*>', 'sm_8*', 8), permit('b', 'sm_80', 8)];
    expect(judgeSpills(found, permitted)).toEqual({ refused: [found[1], found[2]], idle: [] });
  });

  it('names entries that nothing needs', () => {
    const permitted = [permit('gone', 'sm_*', 100), permit('c', 'sm_80', 8)];
    expect(judgeSpills([spill('c', 'sm_80', 0)], permitted).idle).toEqual(permitted);
  });

  it('takes no special character but the star', () => {
    expect(judgeSpills([spill('aXb', 'sm_80', 1)], [permit('a.b', 'sm_80', 1)]).refused).toHaveLength(1);
  });

  it('wants a reason', () => {
    expect(() => judgeSpills([], [permit('a', 'sm_80', 1, ' ')])).toThrow('a reason for the spills of a on sm_80');
  });

  it.each(['cuda_spills', 'cpu_spills'])('can read scripts/%s.json', (name) => {
    const list = JSON.parse(readFileSync(new URL(`../../../scripts/${name}.json`, import.meta.url), 'utf8'));
    expect(judgeSpills([], list).idle).toEqual(list);
  });
});
