// What animations of a search are made of: the parts that every frame shares, and those that a frame adds.
import { type Frame, runningSums } from './frames.ts';
import { type SteadyLayout, type SteadyPart, steadyGround, steadyLayout, steadyParts } from './steady_cells.ts';
import { inks, movedTo, shape, textAt, widthOf } from './svg.ts';

/** An animation before it has a format. */
export interface Animation {
  readonly width: number;
  readonly height: number;
  readonly ground: readonly string[];
  readonly frames: readonly AnimationFrame[];
}

/** What a frame adds to the ground, and how long it stays. */
export interface AnimationFrame {
  readonly parts: readonly SteadyPart[];
  readonly seconds: number;
}

const head = 54;
const foot = 26;
const margin = 12;
/** The last frame stays so much longer. */
const holdSeconds = 2.5;

/** Frames under a title, with the time that has passed below: an epoch takes 1 / `epochsPerSecond`. At least one frame. */
export function animationOf(title: string, frames: readonly Frame[], epochsPerSecond: number): Animation {
  const layout = steadyLayout(frames.map(({ genotype }) => genotype));
  const widest = frames.reduce((most, { caption }) => Math.max(most, widthOf(caption, 12)), 300);
  const width = Math.max(layout.width, Math.min(900, widest + 2 * margin));
  const height = layout.height + head + foot;
  const bar = barOf(frames, width, height);
  return {
    width,
    height,
    ground: [
      textAt(margin, 20, clipped(title, width), { size: 14, bold: true }),
      movedTo(0, head - 6, steadyGround(layout)),
      ...bar.ground,
    ],
    frames: frames.map((frame, index) => ({
      parts: [
        ...partsOf(layout, frame),
        { key: `caption ${index}`, level: 2, svg: textAt(margin, 40, frame.caption, { size: 12, fill: inks.faint }) },
        bar.marker(index),
      ],
      seconds: frame.epochs / epochsPerSecond + (index === frames.length - 1 ? holdSeconds : 0),
    })),
  };
}

function partsOf(layout: SteadyLayout, { genotype, previous }: Frame): SteadyPart[] {
  return steadyParts(layout, genotype, previous).map((part) => ({ ...part, svg: movedTo(0, head - 6, [part.svg]) }));
}

/** A title as wide as a picture; what lies at its end tells runs apart. */
function clipped(title: string, width: number): string {
  const most = Math.floor((width - 2 * margin) / widthOf('x', 15));
  return title.length > most ? `…${title.slice(1 - most)}` : title;
}

/** All epochs as a line, on which those that changed something are marked; the marker of a frame covers it up to there. */
function barOf(frames: readonly Frame[], width: number, height: number) {
  const ends = runningSums(frames.map(({ epochs }) => epochs));
  const total = ends.at(-1)!;
  const [left, y, wide] = [margin, height - foot / 2 + 2, width - 2 * margin];
  const changes = frames.flatMap(({ previous }, i) => {
    const x = left + (wide * (ends[i] - frames[i].epochs)) / total;
    return previous === undefined
      ? []
      : [shape('rect', { x: x - 0.5, y: y - 5, width: 1, height: 10, fill: '#94a3b8' })];
  });
  const ground = [shape('rect', { x: left, y: y - 2, width: wide, height: 4, rx: 2, fill: inks.grid }), ...changes];
  const marker = (index: number): SteadyPart => {
    const place = { x: left, y: y - 2, width: (wide * ends[index]) / total, height: 4 };
    return { key: `time ${index}`, level: 2, svg: shape('rect', { ...place, rx: 2, fill: '#0072b2' }) };
  };
  return { ground, marker };
}
