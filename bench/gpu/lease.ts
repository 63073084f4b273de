// `npm run gpu:lease`: ten minutes on a GPU that may never come again. Facts, kernels, proofs, steps of both designs of kernels,
// rivals, Nsight Compute; into gpu-lease.json and gpu-lease.txt, which are written anew after each part. Predictions were written
// down before (lease_plan.ts) and stand beside what is found.
import { parseArgs } from 'node:util';
import { backendNames } from '../../src/backend/device.ts';
import { DartsmithError, invalid } from '../../src/errors.ts';
import { concludeLease, leaseParts } from './lease_plan.ts';
import { minutesOf } from './options.ts';
import type { StageResult } from './outcome.ts';
import { runCheck } from './run.ts';

const usage = `npm run gpu:lease -- [options]: all that is worth knowing of a GPU in ten minutes.

  --backend cuda|simt  simt tries the command itself, at tiny sizes (default: cuda)
  --minutes NUMBER     shares out so much time (default: 10)
  --out FOLDER         where gpu-lease.json and gpu-lease.txt go (default: $OUT, else the working directory)

Exit code 0 when every proof held, 1 when one did not, 2 for wrong usage.`;

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      backend: { type: 'string', default: 'cuda' },
      minutes: { type: 'string', default: '10' },
      out: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const backend = backendNames.find((name) => name === values.backend);
  if (backend === undefined) throw invalid('--backend', `one of ${backendNames.join(', ')}`, values.backend);
  const minutes = minutesOf(values.minutes);
  const out = values.out ?? (process.env.OUT || '.');
  const options = { backend, quick: true, rivals: true, stages: [], out, seconds: 60 * minutes };
  const form = {
    command: 'gpu:lease',
    conclude: (stages: readonly StageResult[]) => concludeLease(stages, backend === 'cuda'),
  } as const;
  const held = await runCheck(options, leaseParts(60 * minutes), form);
  return held ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof DartsmithError || error instanceof TypeError)) throw error;
  console.error(`gpu:lease: ${error.message}`);
  process.exitCode = 2;
}
