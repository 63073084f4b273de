// A language model's training where its loss is not finite any more, and what it makes of damaged checkpoints.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Command, Device, Outcome } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { publishedGenotypes } from '../../../src/genotype/published.ts';
import type { LanguageTrainingSettings } from '../../../src/methods/train_rnn/settings.ts';
import type { MethodOptions } from '../../../src/run/options.ts';
import { startMethod } from '../../../src/run/start.ts';
import { contentsOf } from '../../helpers/run_contents.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyCorpus, tinyTextSettings } from '../../helpers/tiny_text.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'cpu', threads: 1 });
});
afterAll(() => device?.dispose());

const corpus = tinyCorpus({ train: 120, valid: 40, test: 40 });

function start(out: string | undefined, settings: Partial<LanguageTrainingSettings>, options: MethodOptions = {}) {
  return startMethod('train', {
    ...{ dataset: corpus, out, device, genotype: publishedGenotypes['DARTS_V2_RNN'], ...options },
    settings: { ...tinyTextSettings, epochs: 5, lr: 4, nonmono: 1, ...settings },
  });
}

function resume(out: string, options: MethodOptions = {}) {
  return startMethod('train', { dataset: corpus, resume: out, device, ...options });
}

const epochOf = (commands: readonly Command[]) => {
  const [first] = commands;
  return first.kind === 'gradients' ? first.batch.dropout?.epoch : undefined;
};

/**
 * The device, whose weights are NaN in front of the second step of an epoch, once; `told` gets each call's commands. `seen` steps of the
 * epoch were taken before.
 */
function spoilt(epoch: number, told: (commands: readonly Command[]) => void = () => {}, seen = 0): Device {
  let steps = seen;
  const execute = async (commands: readonly Command[], options?: object): Promise<Outcome[]> => {
    told(commands);
    if (epochOf(commands) === epoch && ++steps === 2) {
      const { parameters } = (commands[0] as Extract<Command, { kind: 'gradients' }>).program;
      const { data } = await parameters.get('decoder.bias');
      await parameters.set('decoder.bias', data.fill(Number.NaN));
    }
    return device.execute(commands, options);
  };
  return new Proxy(device, {
    get: (target, key) => {
      if (key === 'execute') return execute;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const recordsOf = (out: string) =>
  readFileSync(join(out, 'journal.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const told = 'the loss is no longer finite';

describe('a loss that is no longer finite', () => {
  it('takes the run back to its best epoch, with other lengths and masks, and it comes to its end', async () => {
    const out = join(scratch(), 'run');
    const draws: string[] = [];
    const note = (commands: readonly Command[]) => {
      const [first] = commands;
      if (first.kind !== 'gradients' || !('labels' in first.batch)) return;
      draws.push(`${first.batch.dropout?.epoch} ${first.batch.dropout?.step} ${first.batch.labels?.length}`);
    };
    await start(out, {}, { device: spoilt(2, note) }).result;
    const records = recordsOf(out);
    const back = records.findIndex(({ decision }) => decision?.told.includes(told));
    const best = Number(/end of epoch (\d+)/.exec(records[back].decision.told)?.[1]);
    const before = records.slice(0, back).filter(({ type }) => type === 'epoch');
    const losses = before.map(({ validationLoss }) => validationLoss);
    expect(best - 1).toBe(losses.indexOf(Math.min(...losses)));
    expect(records[back - 1]).toMatchObject({ type: 'step', epoch: 2, step: 1, loss: null });
    expect(records[back + 1]).toMatchObject({ type: 'step', epoch: best, step: 0, loss: expect.any(Number) });
    expect(records.filter(({ type }) => type === 'epoch').map(({ epoch }) => epoch)).toEqual([
      ...before.map(({ epoch }) => epoch),
      ...[0, 1, 2, 3, 4].slice(best),
    ]);
    // No draw comes twice.
    expect(new Set(draws).size).toBe(draws.length);
    expect(records.at(-1)).toMatchObject({ type: 'result', testPerplexity: expect.any(Number) });
  });

  it('before and after averaged SGD took over: how that stood is part of what comes back', async () => {
    const out = join(scratch(), 'run');
    await start(out, { epochs: 8 }, { device: spoilt(7) }).result;
    const records = recordsOf(out);
    const told = records.flatMap(({ type, epoch, decision }) => (type === 'decision' ? [[epoch, decision.told]] : []));
    expect(told.map(([, text]) => text)).toContain('averaged SGD from the next epoch on');
    expect(told.map(([, text]) => text).join()).toMatch(/back to the end of epoch \d/);
  });

  it.each([
    ['within the epoch that failed', 2, 1],
    ['after the run went back', 2, 4],
    ['later', 2, 9],
  ])('killed %s it goes on to the same bytes', async (_, epoch, after) => {
    const [whole, out] = [join(scratch(), 'whole'), join(scratch(), 'killed')];
    await start(whole, {}, { device: spoilt(epoch) }).result;
    const controller = new AbortController();
    let seen = 0;
    const stopping = spoilt(epoch, (commands) => {
      if (epochOf(commands) !== undefined && (epochOf(commands)! >= epoch || seen > 0) && ++seen === after)
        controller.abort();
    });
    const options = { device: stopping, signal: controller.signal, checkpointSeconds: 0 };
    await expect(start(out, {}, options).result).rejects.toMatchObject({ code: 'ABORTED' });
    await resume(out, { device: after === 1 ? spoilt(epoch, undefined, 1) : device }).result;
    expect(contentsOf(out)).toEqual(contentsOf(whole));
  });

  it('ends a run that is told to stop, or that has no epoch behind it, with one line', async () => {
    const stopped = start(undefined, { rollback: 'stop' }, { device: spoilt(2) }).result;
    await expect(stopped).rejects.toMatchObject({
      code: 'DIVERGED',
      message: expect.stringMatching(/^the loss became NaN in epoch 2/),
    });
    const first = start(undefined, {}, { device: spoilt(0) }).result;
    await expect(first).rejects.toMatchObject({
      code: 'DIVERGED',
      message: expect.stringMatching(/^the loss became NaN in epoch 0/),
    });
  });
});

describe('a checkpoint of a training', () => {
  /** A run that was stopped, with one value of its checkpoint's header replaced. */
  async function damaged(name: string, text: string): Promise<string> {
    const out = join(scratch(), 'run');
    const controller = new AbortController();
    const run = start(out, {}, { signal: controller.signal });
    await expect(
      (async () => {
        for await (const { type } of run) if (type === 'epoch') controller.abort();
      })(),
    ).rejects.toMatchObject({ code: 'ABORTED' });
    const file = join(out, 'checkpoint.safetensors');
    const bytes = readFileSync(file);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
    header.__metadata__[name] = text;
    const changed = Buffer.from(JSON.stringify(header));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(changed.length));
    rmSync(file);
    writeFileSync(file, Buffer.concat([size, changed, bytes.subarray(8 + length)]));
    return out;
  }

  it.each([
    ['recorded', '"many"', /damaged: expected a list of losses for the metadata recorded/],
    ['recorded', '[1, null]', /damaged: expected a list of losses for the metadata recorded/],
    ['rollbacks', '0.5', /damaged: expected an integer for the metadata rollbacks/],
    ['best', '{"epoch":0}', /damaged: expected epoch and loss for the metadata best/],
    ['best', '{"epoch":0,"loss":1,"averaging":3}', /damaged: expected steps and factor for the metadata averaging/],
    ['averaging', '{"steps":1}', /damaged: expected steps and factor for the metadata averaging/],
    ['means', '{"trainLoss":3}', /damaged: expected sums for the metadata means/],
    ['step', '1000', /does not fit its run: epoch 1, step 1000/],
    ['averaging', '{', /damaged: expected JSON for the metadata averaging/],
  ])('with %s %s is refused in one line', async (name, text, message) => {
    const out = await damaged(name, text);
    await expect(resume(out).result).rejects.toMatchObject({ code: 'FILE', message: expect.stringMatching(message) });
  });
});
