import { tellsTopFive } from '../learn/score.ts';
import { writeGenotype } from './directory.ts';
import type { TrainEvent, TrainResult } from './events.ts';
import { runToEnd } from './loop.ts';
import { type Run, startRun } from './run.ts';
import { withSession } from './session.ts';
import { trainMethod } from './train_method.ts';
import { planTraining, type TrainOptions } from './train_options.ts';

/** A training that goes on. */
export type TrainRun = Run<TrainEvent, TrainResult>;

/**
 * Trains the derived network of a genotype from scratch and scores it on the test images (arXiv:1806.09055, section 3.2).
 * Starts at once, off the event loop, and throws nothing itself: every error, of options too, comes through the run.
 */
export function train(options: TrainOptions): TrainRun {
  return startRun(async (emit) => {
    const plan = await planTraining(options);
    const { genotype } = plan;
    return withSession(
      plan,
      (dataset) => trainMethod(plan, dataset),
      async (session) => {
        const { log, parameters, work } = session;
        // A training is given where a genotype is asked for, as a search is.
        if (log !== undefined) await writeGenotype(log.files, genotype);
        emit(session.start);
        await runToEnd(session, (event) => {
          if (event.type !== 'genotype') emit(event);
        });
        const { averages = parameters, metadata } = work;
        if (log !== undefined) await averages.save(log.files.weights, { metadata });
        const { unreadableImages, progress } = session;
        const { loss, accuracy, top5 } = progress.validation!;
        return {
          genotype,
          testAccuracy: accuracy,
          ...(tellsTopFive(session.start.classes) && { testTop5: top5 }),
          testLoss: loss,
          unreadableImages,
          directory: log?.files.directory,
        };
      },
    );
  });
}
