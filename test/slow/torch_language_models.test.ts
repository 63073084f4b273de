// Language models go to the published code and back: a strict load_state_dict takes what is exported, and we what torch.save pickles of the
// whole model, in both formats.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { findTorch } from '../../bench/peers/torch.ts';
import { openDevice } from '../../src/backend/open.ts';
import { exportLanguageModel } from '../../src/exchange/export_language_model.ts';
import { decodeLanguageMetadata } from '../../src/exchange/language_metadata.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import type { RecurrentGenotype } from '../../src/genotype/genotype.ts';
import { recurrentGenotypes } from '../../src/genotype/published/recurrent.ts';
import { buildLanguageModel } from '../../src/network/language_model.ts';
import { root } from '../helpers/process.ts';
import { scatter } from '../helpers/scattered.ts';
import { scratch } from '../helpers/scratch.ts';

let reason = '';
const torch = await findTorch((text) => {
  reason = ` (skipped: ${text})`;
});

const fixtures = join(root, 'test/fixtures/rnn');
const run = (...args: string[]) => promisify(execFile)(torch!.python, ['-B', ...args]);

const program = `
import os, sys, torch
sys.path.insert(0, sys.argv[1])
import genotypes
from model import RNNModel
from model_search import RNNModelSearch
os.chdir(sys.argv[2])
arguments = (11, 6, 6, 0.75, 0.25, 0.75, 0.2, 0.1)
derived, search = RNNModel(*arguments, genotype=genotypes.DARTS_V2), RNNModelSearch(*arguments)
for format in ('pt', 'pt-legacy'):
    state = torch.load('derived.' + format)
    assert list(state) == list(derived.state_dict())
    assert state['encoder.weight'].data_ptr() == state['decoder.weight'].data_ptr()
    derived.load_state_dict(state, strict=True)
    file = torch.load('search.' + format)
    search.load_state_dict(file['state_dict'], strict=True)
    search.weights.data.copy_(file['weights'])
for model, name in ((derived, 'derived'), (search, 'search')):
    torch.save(model, f'{name}_legacy.pt', _use_new_zipfile_serialization=False)
    for protocol in (2, 3, 4, 5):
        torch.save(model, f'{name}_{protocol}.pt', pickle_protocol=protocol)
    torch.save({'epoch': 3, 'state_dict': model.state_dict(), 'weights': search.weights}, f'{name}_checkpoint.pt')
`;

async function saved(path: string, genotype?: RecurrentGenotype): Promise<string> {
  using device = await openDevice({ backend: 'cpu', threads: 1 });
  const { graph } = buildLanguageModel({ words: 11, size: 6, genotype });
  using parameters = await device.createParameters(graph, { seed: 8 });
  await scatter(parameters, 8);
  await parameters.save(path);
  return path;
}

async function tensorsIn(path: string) {
  const { tensors, metadata } = await readWeights(path);
  const own = [...tensors].filter(([name]) => !name.endsWith('num_batches_tracked'));
  return { metadata, tensors: new Map(own.map(([name, { shape, data }]) => [name, { shape, data }])) };
}

describe.skipIf(torch === undefined)(`the published code's language models${reason}`, () => {
  it('take what is exported, and we what they save', { timeout: 60_000 }, async () => {
    const folder = scratch();
    const at = (name: string) => join(folder, name);
    const genotype = recurrentGenotypes['DARTS_V2_RNN'];
    const derived = await saved(at('derived.safetensors'), genotype);
    const search = await saved(at('search.safetensors'));
    for (const format of ['pt', 'pt-legacy'] as const) {
      const { bytes } = await exportLanguageModel({ weights: derived, genotype, format });
      writeFileSync(at(`derived.${format}`), bytes);
      const apart = await exportLanguageModel({ weights: search, separateAlphas: true, format });
      writeFileSync(at(`search.${format}`), apart.bytes);
    }
    await run('-c', program, join(fixtures, 'modules'), folder);
    for (const [name, file] of Object.entries({ derived, search })) {
      const { tensors: ours } = await tensorsIn(file);
      for (const kind of ['legacy', '2', '3', '4', '5', 'checkpoint']) {
        const { tensors, metadata } = await tensorsIn(at(`${name}_${kind}.pt`));
        expect(new Map([...tensors].toSorted()), `${name} ${kind}`).toEqual(new Map([...ours].toSorted()));
        const known = name === 'derived' && kind !== 'checkpoint' ? genotype : undefined;
        expect(decodeLanguageMetadata(metadata).genotype, `${name} ${kind}`).toEqual(known);
      }
    }
  });

  it('are what the fixtures hold', { timeout: 60_000 }, async () => {
    const folder = scratch();
    await run(join(fixtures, 'make.py'), folder);
    for (const name of ['derived_legacy.pt', 'search.pt']) {
      expect(await tensorsIn(join(folder, name))).toEqual(await tensorsIn(join(fixtures, name)));
    }
    const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
    expect(read(join(folder, 'expected.json'))).toEqual(read(join(fixtures, 'expected.json')));
  });
});
