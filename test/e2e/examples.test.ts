// The examples as the README says to run them, on few images.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { GenotypeCell } from '../../src/genotype/genotype.ts';
import { parseGenotype } from '../../src/genotype/text.ts';
import { byType } from '../helpers/by_type.ts';
import { root, runProcess } from '../helpers/process.ts';

/** Lines that an example prints, which must end well and without a word on stderr. */
async function linesOf(example: string, ...args: string[]): Promise<string[]> {
  const program = ['--import', 'tsx', `examples/${example}.ts`, ...args];
  const { code, stdout, stderr } = await runProcess(process.execPath, program, { cwd: root });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trimEnd().split('\n');
}

const operationsOf = ({ nodes }: GenotypeCell) => nodes.flat().map(({ operation }) => operation);

describe('examples', () => {
  it('search.ts is what the README prints', () => {
    const [, ...lines] = readFileSync(`${root}/examples/search.ts`, 'utf8').trimEnd().split('\n');
    expect(readFileSync(`${root}/README.md`, 'utf8')).toContain(`\`\`\`js\n${lines.join('\n')}\n\`\`\``);
  });

  it('search.ts shows each epoch and prints a genotype', async () => {
    const [first, second, genotype] = await linesOf('search', '32', '2');
    expect(first).toMatch(/^epoch 1 of 2: \d+\.\d % /);
    expect(second).toMatch(/^epoch 2 of 2: \d+\.\d % /);
    expect(operationsOf(byType(parseGenotype(genotype)).normal)).toHaveLength(8);
  });

  it('custom_space.ts searches over its own operation in the cells that it said', async () => {
    const { normal, reduce } = byType(parseGenotype((await linesOf('custom_space', '64', '1')).join('\n')));
    expect(normal.nodes).toHaveLength(2);
    for (const name of operationsOf(normal)) expect(name).toMatch(/^(skip_connect|dil_conv_3x3|inverted_bottleneck)$/);
    for (const name of operationsOf(reduce)) expect(name).toMatch(/^((max|avg)_pool_3x3|inverted_bottleneck)$/);
  });

  it('kernel.ts prints an output and the times of both passes', async () => {
    expect(await linesOf('kernel', '2')).toEqual([
      expect.stringMatching(/^output \[64,32,32,16\], .* -?\d\.\d{4}$/),
      expect.stringMatching(/^forward: median of 2 passes \d+\.\d\d ms$/),
      expect.stringMatching(/^backward: median of 2 passes \d+\.\d\d ms$/),
    ]);
  });
});
