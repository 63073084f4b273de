// A trained language model that is asked for words: the session of the library, and the example of the tour.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCorpus } from '../../src/data/text/corpus.ts';
import { recurrentGenotypes } from '../../src/genotype/published/recurrent.ts';
import { type LanguageModelSession, openLanguageModel } from '../../src/language_model.ts';
import { testText } from '../../src/run/test_text.ts';
import { train } from '../../src/train.ts';
import { root, runProcess } from '../helpers/process.ts';
import { writeTinyText } from '../helpers/tiny_text.ts';

const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
const run = join(folder, 'run');
const genotype = recurrentGenotypes['DARTS_V2_RNN'];
let dataDir: string;
let model: LanguageModelSession;

beforeAll(async () => {
  dataDir = writeTinyText(join(folder, 'text'), { train: 300, valid: 60, test: 40 });
  const settings = { batchSize: 4, bptt: 6, emsize: 8, epochs: 2, lr: 4 };
  await train({ genotype, dataset: 'text', dataDir, settings, out: run }).result;
  model = await openLanguageModel(run);
});

afterAll(() => {
  model?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

async function sampled(options: Parameters<LanguageModelSession['sample']>[0]): Promise<string[]> {
  model.reset();
  const words: string[] = [];
  for await (const word of model.sample(options)) words.push(word);
  return words;
}

function loss(logits: Float32Array, target: number): number {
  const largest = Math.max(...logits);
  return Math.log(logits.reduce((sum, value) => sum + Math.exp(value - largest), 0)) + largest - logits[target];
}

describe('a language model that is asked for words', () => {
  it('predicts word by word what the test scores in passes', async () => {
    const { test, vocabulary } = await loadCorpus('text', { dataDir });
    const { exactLoss } = await testText({
      genotype,
      weights: join(run, 'weights.safetensors'),
      dataset: 'text',
      dataDir,
    });
    model.reset();
    let total = 0;
    for (let place = 0; place + 1 < test.length; place++) {
      total += loss(await model.next([vocabulary.words[test[place]]]), test[place + 1]);
    }
    expect(total / (test.length - 1)).toBeCloseTo(exactLoss, 5);
  });

  it('reads several words as one after another', async () => {
    const [a, b] = model.vocabulary.words;
    model.reset();
    await model.next([a]);
    const apart = await model.next([b]);
    model.reset();
    expect(await model.next([a, b])).toEqual(apart);
    model.reset();
    expect(await model.next([b])).not.toEqual(apart);
  });

  it('draws the same words of a seed, others of another, the likeliest ones when it is cold', async () => {
    const words = await sampled({ count: 30, seed: 3 });
    expect(words.every((word) => model.vocabulary.numberOf(word) !== undefined)).toBe(true);
    expect(await sampled({ count: 30, seed: 3 })).toEqual(words);
    expect(await sampled({ count: 30, seed: 4 })).not.toEqual(words);
    const cold = await sampled({ count: 10, seed: 1, temperature: 1e-3 });
    expect(await sampled({ count: 10, seed: 2, temperature: 1e-3 })).toEqual(cold);
    model.reset();
    const logits = await model.next(['<eos>']);
    expect(cold[0]).toBe(model.vocabulary.words[logits.indexOf(Math.max(...logits))]);
  });

  it('refuses what it does not know in one line', async () => {
    await expect(model.next(['no-such-word'])).rejects.toThrow(
      "words of the vocabulary for words but received 'no-such-word'",
    );
    await expect(model.next([])).rejects.toThrow('a list of at least one word');
    await expect(model.sample({ count: 1, temperature: 0 }).next()).rejects.toThrow('temperature');
    await expect(openLanguageModel(folder)).rejects.toThrow('weights.safetensors');
  });

  it('is what the example of the tour runs', async () => {
    const [, ...lines] = readFileSync(`${root}/examples/sample.ts`, 'utf8').trimEnd().split('\n');
    expect(readFileSync(`${root}/docs/language.md`, 'utf8')).toContain(`\`\`\`js\n${lines.join('\n')}\n\`\`\``);
    const program = ['--import', 'tsx', 'examples/sample.ts', run, '12'];
    const { code, stdout, stderr } = await runProcess(process.execPath, program, { cwd: root });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split(/\s+/).filter(Boolean).length).toBeGreaterThan(3);
  });
});
