import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { genotypeArgument, networkGenotype } from '../../../src/cli/genotype_argument.ts';
import { ArgumentError, FileError } from '../../../src/errors.ts';
import { recurrentGenotypes } from '../../../src/genotype/published/recurrent.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { formatGenotype } from '../../../src/genotype/text.ts';
import { encodeSafetensors } from '../../../src/io/safetensors.ts';
import { scratch } from '../../helpers/scratch.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dartsmith-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const wanted = genotypes['DARTS_V2'];

describe('genotype argument', () => {
  it('is a published name', async () => {
    expect(await genotypeArgument('DARTS_V2')).toEqual({ genotype: wanted });
  });

  it('is the name or the text of a recurrent cell', async () => {
    const genotype = recurrentGenotypes['ENAS_RNN'];
    expect(await genotypeArgument('ENAS_RNN')).toEqual({ genotype });
    expect(await genotypeArgument(formatGenotype(genotype))).toEqual({ genotype });
    expect(await genotypeArgument(formatGenotype(genotype, 'json'))).toEqual({ genotype });
    await expect(genotypeArgument('ENAS')).rejects.toThrow('Genotype(...) text, a file or a run directory');
  });

  it.each(['python', 'json'] as const)('is %s text of triples', async (form) => {
    const triples = genotypes['FairDARTS_c'];
    expect(await genotypeArgument(formatGenotype(triples, form))).toEqual({ genotype: triples });
  });

  it.each(['python', 'json'] as const)('is %s text', async (form) => {
    expect(await genotypeArgument(` ${formatGenotype(wanted, form)}\n`)).toEqual({ genotype: wanted });
  });

  it('is what the originals print', async () => {
    expect(await genotypeArgument(`genotype = ${formatGenotype(wanted)}`)).toEqual({ genotype: wanted });
  });

  it.each(['python', 'json', 'nni'] as const)('is a file of %s text', async (form) => {
    const file = join(folder, `cells.${form}`);
    writeFileSync(file, `${formatGenotype(wanted, form)}\n`);
    expect(await genotypeArgument(file)).toEqual({ genotype: wanted });
  });

  it('is text with a module in front', async () => {
    expect(await genotypeArgument(`genotypes.${formatGenotype(wanted)}`)).toEqual({ genotype: wanted });
  });

  it('is a log, of which the last genotype is taken and said', async () => {
    const file = join(folder, 'log.txt');
    const line = (name: string) => `07/08 05:56:53 AM genotype = ${formatGenotype(genotypes[name])}\n`;
    writeFileSync(file, `07/08 epoch 0\n${line('DARTS_V1')}07/08 epoch 1\n${line('DARTS_V2')}`);
    const notices: string[] = [];
    expect(await genotypeArgument(file, (text) => notices.push(text))).toEqual({ genotype: wanted });
    expect(notices).toEqual([`${file} holds 2 genotypes: the last one, at line 4, is taken`]);
  });

  it('is a run directory', async () => {
    writeFileSync(join(folder, 'genotype.json'), formatGenotype(wanted, 'json'));
    expect(await genotypeArgument(folder)).toEqual({ genotype: wanted, run: folder });
    expect(await genotypeArgument(join(folder, 'genotype.json'))).toEqual({ genotype: wanted });
  });

  it('is a file that CDARTS wrote', async () => {
    const masks = join(folder, 'epoch_31.json');
    writeFileSync(masks, formatGenotype(genotypes['CDARTS_CIFAR'], 'nni-masks'));
    const text = formatGenotype((await genotypeArgument(masks)).genotype, 'nni-masks');
    expect(text).toBe(formatGenotype(genotypes['CDARTS_CIFAR'], 'nni-masks'));
    const stages = join(folder, 'cifar_genotype.json');
    const stage = formatGenotype(genotypes['CDARTS_CIFAR'], 'python-nested');
    writeFileSync(stages, JSON.stringify({ 0: stage, 1: stage, 2: stage }));
    expect((await genotypeArgument(stages)).genotype).toEqual(genotypes['CDARTS_CIFAR']);
    writeFileSync(masks, text.replaceAll('true', 'false'));
    await expect(genotypeArgument(masks)).rejects.toThrow(`${masks} holds no genotype: expected at least one edge`);
  });

  it('is no network to build where a run ended with an empty cell', async () => {
    const run = scratch();
    const empty = { ...genotypes['FairDARTS_a'], reduce: { nodes: [[], [], [], []], concat: [] } };
    writeFileSync(join(run, 'genotype.json'), formatGenotype(empty, 'json'));
    expect((await genotypeArgument(run)).genotype).toEqual(empty);
    const refusal = networkGenotype(run, {});
    await expect(refusal).rejects.toBeInstanceOf(ArgumentError);
    await expect(refusal).rejects.toThrow(`dartsmith select ${run} tells which threshold`);
  });

  it('says what it may be where nothing matches, in a line that fits a screen', async () => {
    const refusal = genotypeArgument('DARTS_V9');
    await expect(refusal).rejects.toBeInstanceOf(ArgumentError);
    await expect(refusal).rejects.toThrow(
      /a published name such as DARTS_V2 \(dartsmith draw --help.*received 'DARTS_V9'/,
    );
    await expect(refusal).rejects.toThrow(/^.{1,240}$/);
    await expect(genotypeArgument('constructor')).rejects.toBeInstanceOf(ArgumentError);
    await expect(genotypeArgument('')).rejects.toBeInstanceOf(ArgumentError);
  });

  it('says what is wrong with text', async () => {
    await expect(genotypeArgument('Genotype(normal=[')).rejects.toBeInstanceOf(ArgumentError);
  });

  it('takes weights that tell their genotype, and says so of others', async () => {
    const tensors = new Map([['a', { shape: [1], data: new Float32Array(1) }]]);
    const genotype = genotypes['DARTS_V2'];
    const weights = join(folder, 'weights.safetensors');
    writeFileSync(weights, encodeSafetensors(tensors, { genotype: formatGenotype(genotype, 'json') }));
    expect(await genotypeArgument(weights)).toEqual({ genotype, weights });
    writeFileSync(weights, encodeSafetensors(tensors));
    await expect(genotypeArgument(weights)).rejects.toThrow(`${weights} holds no genotype: its weights do not tell it`);
  });

  it('names the file that holds none', async () => {
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'hello');
    const refusal = genotypeArgument(file);
    await expect(refusal).rejects.toBeInstanceOf(FileError);
    await expect(refusal).rejects.toThrow(`${file} holds no genotype`);
    const large = join(folder, 'large');
    writeFileSync(large, '');
    truncateSync(large, (1 << 26) + 1);
    await expect(genotypeArgument(large)).rejects.toThrow('expected at most 67108864 bytes');
  });

  it('suggests the published name that is near', async () => {
    await expect(genotypeArgument('darts_v2')).rejects.toThrow("but received 'darts_v2' (Did you mean DARTS_V2?)");
  });

  it('names the directory that is no run', async () => {
    await expect(genotypeArgument(tmpdir())).rejects.toThrow('holds no genotype.json');
    await expect(genotypeArgument(join(folder, 'notes.txt', 'x'))).rejects.toBeInstanceOf(FileError);
  });
});
