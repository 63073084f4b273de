// `dartsmith draw --animate`.
import { basename, resolve } from 'node:path';
import { animationFormats, drawAnimation } from '../report/draw_animation.ts';
import { readRunView } from '../run/view.ts';
import { pictureFormat, writePicture } from './picture.ts';

/** Options of the command line. */
export interface AnimateFlags {
  readonly out?: string;
  readonly stage?: string;
  readonly fps?: number;
}

/** Writes the genotypes of a run over its epochs as an animation; what is wrong with the run goes to stderr, and the rest is drawn. */
export async function animate(run: string, { out, stage, fps }: AnimateFlags): Promise<void> {
  // The file name is judged first: it is the cheaper mistake to find.
  const format = out === undefined ? 'svg' : pictureFormat(out, animationFormats);
  const view = await readRunView(run, { name: basename(resolve(run)) });
  for (const problem of view.problems) process.stderr.write(`${view.name}: ${problem}\n`);
  await writePicture(await drawAnimation(view, { format, stage, fps }), out);
}
