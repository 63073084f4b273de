// A search's supernet goes to the published code and back: there alphas are plain tensors, no part of the state dict, and
// load_state_dict is strict.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { findTorch } from '../../bench/peers/torch.ts';
import { openDevice } from '../../src/backend/open.ts';
import { exportNetwork } from '../../src/exchange/export.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { root } from '../helpers/process.ts';
import { scatter } from '../helpers/scattered.ts';
import { scratch } from '../helpers/scratch.ts';

let reason = '';
const torch = await findTorch((text) => {
  reason = ` (skipped: ${text})`;
});

const program = `
import os, sys, torch
sys.path.insert(0, sys.argv[1])
from darts_supernet import Supernet
os.chdir(sys.argv[2])
model = Supernet(4, 4)
del model.alphas_normal, model.alphas_reduce
for path in ('ours.pt', 'ours_legacy.pt'):
    file = torch.load(path)
    model.load_state_dict(file['state_dict'], strict=True)
    model.alphas_normal, model.alphas_reduce = alphas = [file['alphas_normal'], file['alphas_reduce']]
    state = model.state_dict()
    assert len(state) == 2138 and all(state[name].dtype == value.dtype for name, value in file['state_dict'].items())
torch.save(state, 'state.pt')
torch.save(alphas, 'alphas.pt')
torch.save({'epoch': 1, 'state_dict': state, 'arch_parameters': alphas}, 'checkpoint.pt')
torch.save(model, 'whole.pt')
`;

describe.skipIf(torch === undefined)(`the published code's strict load${reason}`, () => {
  it('takes what is exported, and we what it saves', { timeout: 60_000 }, async () => {
    const folder = scratch();
    const at = (name: string) => join(folder, name);
    const supernet = buildSupernet({ inputShape: [8, 8, 3], classes: 10, initChannels: 4, layers: 4 });
    using device = await openDevice({ backend: 'cpu', threads: 1 });
    using parameters = await device.createParameters(supernet.graph, { seed: 8 });
    await scatter(parameters, 8);
    const weights = at('ours.safetensors');
    await parameters.save(weights);
    for (const [name, format] of [
      ['ours.pt', 'pt'],
      ['ours_legacy.pt', 'pt-legacy'],
    ] as const) {
      writeFileSync(at(name), (await exportNetwork({ weights, format, separateAlphas: true })).bytes);
    }
    await promisify(execFile)(torch!.python, ['-B', '-c', program, join(root, 'bench/peers'), folder]);
    const { tensors: saved } = await readWeights(weights);
    for (const options of [
      { weights: at('state.pt'), alphas: at('alphas.pt') },
      { weights: at('checkpoint.pt') },
      { weights: at('whole.pt') },
    ]) {
      writeFileSync(at('back.safetensors'), (await exportNetwork({ ...options, format: 'safetensors' })).bytes);
      const { tensors } = await readWeights(at('back.safetensors'));
      const back = [...tensors].filter(([name]) => !name.endsWith('num_batches_tracked'));
      expect(new Map(back.toSorted()), options.weights).toEqual(new Map([...saved].toSorted()));
    }
  });
});
