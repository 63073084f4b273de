// An animation as one SVG file without scripts: every part is there once, and CSS shows it while its frames last. What does not animate, and
// who wants no motion, sees the last frame.
import type { Animation } from './animation.ts';
import { runningSums } from './frames.ts';
import { picture, round } from './svg.ts';

/** An animation that loops. */
export function animatedSvg({ width, height, ground, frames }: Animation): string {
  const patterns = new Patterns(frames.map(({ seconds }) => seconds));
  const parts = new Map<string, { readonly svg: string; readonly level: number; readonly frames: number[] }>();
  for (const [index, frame] of frames.entries()) {
    for (const { key, svg, level } of frame.parts) {
      const known = parts.get(key);
      if (known === undefined) parts.set(key, { svg, level, frames: [index] });
      else known.frames.push(index);
    }
  }
  const shown = [...parts.values()]
    .toSorted((a, b) => a.level - b.level)
    .map((part) => {
      const name = patterns.nameOf(part.frames);
      return name === undefined ? part.svg : `<g class="${name}">${part.svg}</g>`;
    });
  const style = [...patterns.rules(), '@media(prefers-reduced-motion:reduce){g{animation:none!important}}'];
  return picture(width, height, [`<style>${style.join('\n')}</style>`, ...ground, ...shown]);
}

/** When parts are seen; parts of the same frames share a rule. */
class Patterns {
  /** Seconds after which frames begin, and the end. */
  readonly #begins: readonly number[];
  readonly #names = new Map<string, string>();
  readonly #rules: string[] = [];

  constructor(seconds: readonly number[]) {
    this.#begins = [0, ...runningSums(seconds)];
  }

  /** The class of a part that has these frames, in their order; undefined for one that is always there. */
  nameOf(frames: readonly number[]): string | undefined {
    const count = this.#begins.length - 1;
    if (frames.length === count) return undefined;
    const spans = spansOf(frames);
    const key = spans.map((span) => span.join('-')).join(' ');
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const name = `f${this.#names.size.toString(36)}`;
    this.#names.set(key, name);
    const steps = spans.flatMap(([first, last]) => [
      `${this.#percent(first)}{visibility:visible}`,
      ...(last === count - 1 ? [] : [`${this.#percent(last + 1)}{visibility:hidden}`]),
    ]);
    const begin = frames[0] === 0 ? [] : ['0%{visibility:hidden}'];
    const atRest = frames.at(-1) === count - 1 ? '' : 'visibility:hidden;';
    this.#rules.push(
      `.${name}{${atRest}animation:${round(this.#begins[count])}s step-end infinite ${name}}`,
      `@keyframes ${name}{${[...begin, ...steps].join('')}}`,
    );
    return name;
  }

  rules(): readonly string[] {
    return this.#rules;
  }

  #percent(frame: number): string {
    return `${Number(((100 * this.#begins[frame]) / this.#begins[this.#begins.length - 1]).toFixed(3))}%`;
  }
}

/** Frames that follow one another, as their first and last. */
function spansOf(frames: readonly number[]): [first: number, last: number][] {
  const spans: [number, number][] = [];
  for (const frame of frames) {
    const span = spans.at(-1);
    if (span !== undefined && span[1] === frame - 1) span[1] = frame;
    else spans.push([frame, frame]);
  }
  return spans;
}
