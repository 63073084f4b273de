// Animations of searches: which frames there are, what the files hold, what refuses.
import { beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError, BackendError } from '../../../src/errors.ts';
import type { Genotype } from '../../../src/genotype/genotype.ts';
import { publishedGenotypes } from '../../../src/genotype/published.ts';
import { animatedGif } from '../../../src/report/animated_gif.ts';
import { animationOf } from '../../../src/report/animation.ts';
import { drawAnimation } from '../../../src/report/draw_animation.ts';
import { framesOf } from '../../../src/report/frames.ts';
import type { RunView } from '../../../src/report/run_view.ts';
import { expectWellFormed } from '../../helpers/markup.ts';

const [a, b, c] = ['DARTS_V1', 'DARTS_V2', 'CDARTS_CIFAR'].map((name) => publishedGenotypes[name]);

interface MadeStage {
  readonly name: string;
  readonly genotypes: readonly Genotype[];
}

/** A run of stages whose validation accuracy is a hundredth of the epoch. */
function viewOf(...made: readonly MadeStage[]): RunView {
  let epoch = 0;
  const stages = made.map(({ name, genotypes }) => {
    const before = { epoch, step: 0 };
    epoch += genotypes.length;
    const views = genotypes.map((genotype, i) => ({ epoch: i + 1, genotype }));
    return { name, epochs: genotypes.length, steps: 1, before, genotypes: views, decisions: [] };
  });
  const x = Array.from({ length: epoch }, (_, i) => i + 1);
  const head = { name: 'validationAccuracy', of: 'epoch', title: 'validation accuracy', unit: 'share' } as const;
  return {
    ...{
      name: 'runs/<b>&"',
      state: 'finished',
      command: 'search',
      stages,
      settings: {},
      versions: {},
      log: [],
      problems: [],
    },
    series: [{ ...head, x, y: x.map((value) => value / 100) }],
    score: { title: head.title, unit: 'share', value: epoch / 100 },
  };
}

const search = (...genotypes: readonly Genotype[]) => viewOf({ name: 'search', genotypes });
const captions = (view: RunView, most = 100) => framesOf(view, undefined, most).map(({ caption }) => caption);

describe('framesOf', () => {
  it('makes one frame of all epochs that change nothing, but for the one that changed something', () => {
    const view = search(a, a, a, b, b, b, c);
    expect(captions(view)).toEqual([
      'epochs 1-3 of 7, validation accuracy 3.0%',
      'epoch 4 of 7, validation accuracy 4.0%',
      'epochs 5-6 of 7, validation accuracy 6.0%',
      'epoch 7 of 7, validation accuracy 7.0%',
    ]);
    const frames = framesOf(view, undefined, 100);
    expect(frames.map(({ epochs }) => epochs)).toEqual([3, 1, 2, 1]);
    expect(frames.map(({ previous }) => previous)).toEqual([undefined, a, undefined, b]);
  });

  it('tells stages apart where there are several, and shows one that is asked for', () => {
    const view = viewOf({ name: 'warm-up', genotypes: [a] }, { name: 'search', genotypes: [a, b] });
    expect(captions(view)).toEqual([
      'warm-up, validation accuracy 1.0%',
      'search, epoch 1 of 2, validation accuracy 2.0%',
      'search, epoch 2 of 2, validation accuracy 3.0%',
    ]);
    expect(framesOf(view, 'search', 100)).toHaveLength(2);
    expect(framesOf(view, 'none', 100)).toEqual([]);
  });

  it('tells no score where there is none', () => {
    expect(captions({ ...search(a, b), series: [], score: undefined })).toEqual(['epoch 1 of 2', 'epoch 2 of 2']);
  });

  it('leaves out epochs evenly where there would be too many frames, but neither time nor the last', () => {
    const view = search(...Array.from({ length: 601 }, (_, i) => [a, b, c][((i * i) % 7) % 3]));
    const frames = framesOf(view, undefined, 200);
    expect(frames.length).toBeLessThanOrEqual(200);
    expect(frames.at(-1)!.caption).toContain('epoch 601 of 601');
    expect(frames.every(({ caption }) => !caption.includes('-'))).toBe(true);
    const epochs = frames.reduce((sum, frame) => sum + frame.epochs, 0);
    expect(Math.abs(epochs - 601)).toBeLessThan(8);
  });

  it('keeps a long search whole that changes seldom', () => {
    const view = search(...Array.from({ length: 600 }, (_, i) => (i < 300 ? a : b)));
    expect(framesOf(view, undefined, 200).map(({ epochs }) => epochs)).toEqual([300, 1, 299]);
  });
});

describe('drawAnimation as SVG', () => {
  let svg: string;
  beforeAll(async () => {
    svg = String(await drawAnimation(search(a, b, b, b, c), { fps: 2 }));
  });

  it('is one picture without scripts or addresses, with the name of the run as text', () => {
    expectWellFormed(svg);
    expect(svg).toContain('runs/&lt;b&gt;&amp;&quot;');
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/<script|href|https?:|url\(/);
  });

  it('lasts as long as its epochs and a hold, for ever again', () => {
    const durations = [...svg.matchAll(/animation:([\d.]+)s step-end infinite/g)].map(([, seconds]) => Number(seconds));
    expect(new Set(durations)).toEqual(new Set([5 / 2 + 2.5]));
  });

  it('shows every caption in its time, at rest the last', () => {
    const rules = new Map([...svg.matchAll(/@keyframes (\w+)\{(.*)\}$/gm)].map(([, name, steps]) => [name, steps]));
    const shown = [...svg.matchAll(/<g class="(\w+)"><text[^>]*>(epochs? [^<]*)</g)];
    expect(shown.map(([, name, text]) => [text.slice(0, 10), rules.get(name)])).toEqual([
      ['epoch 1 of', '0%{visibility:visible}10%{visibility:hidden}'],
      ['epoch 2 of', '0%{visibility:hidden}10%{visibility:visible}20%{visibility:hidden}'],
      ['epochs 3-4', '0%{visibility:hidden}20%{visibility:visible}40%{visibility:hidden}'],
      ['epoch 5 of', '0%{visibility:hidden}40%{visibility:visible}'],
    ]);
    const atRest = shown.filter(([, name]) => !svg.includes(`.${name}{visibility:hidden`));
    expect(atRest.map(([, , text]) => text.slice(0, 10))).toEqual(['epoch 5 of']);
    expect(svg).toContain('prefers-reduced-motion');
  });

  it('holds every part once, so that 600 epochs stay small', async () => {
    const one = String(await drawAnimation(search(a, b)));
    const many = String(await drawAnimation(search(...Array.from({ length: 600 }, (_, i) => (i % 50 < 25 ? a : b)))));
    expectWellFormed(many);
    expect(many.length).toBeLessThan(5 * one.length);
    expect(many.length).toBeLessThan(200_000);
  });
});

describe('drawAnimation as GIF', () => {
  it('has a page a frame with its delay, loops, and holds the last', async () => {
    const gif = await drawAnimation(search(a, b, b, b, c), { format: 'gif', fps: 2 });
    const { default: sharp } = await import('sharp');
    const { format, pages, delay, loop, width } = await sharp(gif, { animated: true }).metadata();
    expect({ format, pages, delay, loop, width }).toEqual({
      ...{ format: 'gif', pages: 4, delay: [500, 500, 1000, 3000], loop: 0, width: 960 },
    });
  });

  it('may have a single frame', async () => {
    const gif = await drawAnimation(search(a), { format: 'gif' });
    expect(String.fromCharCode(...(gif.slice(0, 6) as Uint8Array))).toBe('GIF89a');
  });

  it('says without sharp what to install or to write instead', async () => {
    const frames = framesOf(search(a, b), undefined, 10);
    const missing = animatedGif(animationOf('run', frames, 2), () => Promise.reject(new Error('Cannot find package')));
    await expect(missing).rejects.toThrow(BackendError);
    await expect(missing).rejects.toThrow(
      /^a GIF is written by sharp, which is not installed: npm install sharp, or .*\.svg$/,
    );
  });
});

describe('drawAnimation refuses', () => {
  const none = search();
  it.each<[string, RunView, object, RegExp]>([
    ['a run without an epoch', none, {}, /has no genotype to animate: no epoch is done yet$/],
    ['a training', { ...none, command: 'train' }, {}, /it is a training, whose architecture stays as it is$/],
    ['a stage that is none', search(a), { stage: 'x' }, /one of runs.*\(search\) for stage but received 'x'$/],
    ['no frames a second', search(a), { fps: 0 }, /a number from 0.1 to 50 for fps but received 0$/],
    ['another format', search(a), { format: 'png' }, /for format but received 'png'$/],
    ['another option', search(a), { speed: 1 }, /speed/],
    ['what is no view', {} as RunView, {}, /a view of a run as readRunView gives it/],
  ])('%s', async (_, view, options, message) => {
    const drawn = drawAnimation(view, options);
    await expect(drawn).rejects.toThrow(ArgumentError);
    await expect(drawn).rejects.toThrow(message);
  });
});
