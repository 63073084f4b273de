import { openContext } from './context.ts';
import type { StageMessage } from './messages.ts';
import type { CheckOptions } from './options.ts';
import { type Stage, type StageName, stages } from './stages.ts';

/** Runs one stage in this process and tells the parent. */
export async function runChild(options: CheckOptions, name: StageName): Promise<void> {
  const end = performance.now() + options.seconds * 1000;
  try {
    const context = await openContext(options, {
      secondsLeft: () => (end - performance.now()) / 1000,
      progress: (text) => void tell({ kind: 'progress', text }),
      keep: (outcome) => void tell({ kind: 'kept', outcome }),
    });
    await tell({ kind: 'device', description: context.device.description });
    const stage: Stage = stages[name];
    await tell({ kind: 'done', outcome: await stage.run(context) });
  } catch (error) {
    await tell({ kind: 'error', message: (error as Error).message });
    process.exitCode = 1;
  }
  // What a device may still hold must not keep the process.
  process.exit();
}

function tell(message: StageMessage): Promise<void> {
  return new Promise((resolve) => process.send!(message, () => resolve()));
}
