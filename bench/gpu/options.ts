import { parseArgs } from 'node:util';
import { type BackendName, backendNames } from '../../src/backend/device.ts';
import { invalid } from '../../src/errors.ts';
import { checkedStages, type StageName, stageNames } from './stages.ts';

/** What `npm run gpu:check` was asked for. */
export interface CheckOptions {
  readonly backend: BackendName;
  /** Fewer sizes and rounds; `simt` and `cpu` are always tiny. */
  readonly quick: boolean;
  readonly stages: readonly StageName[];
  /** Folder of gpu-check.json and gpu-check.txt. */
  readonly out: string;
  /** Whether rivals are asked for a step. */
  readonly rivals: boolean;
  /** After so many seconds stages are left out and peers are stopped; Infinity for no limit. */
  readonly seconds: number;
  /** The one stage that this process runs, as a child of the check. */
  readonly child?: StageName;
}

/** What `--help` prints. */
export const usage = `npm run gpu:check -- [options]: proves and measures the CUDA backend on this machine's GPU.

  --backend cuda|simt|cpu  what is checked (default: cuda); simt and cpu try the check itself, at tiny sizes
  --quick                  fewer sizes and rounds
  --stages A,B             only these of ${stageNames.join(', ')}
                           (default: all up to step-times; the others are those of gpu:lease)
  --without-rivals         nobody beside us is asked for a step
  --minutes NUMBER         leaves out what would begin later, and stops what runs longer (default: no limit)
  --out FOLDER             where gpu-check.json and gpu-check.txt go (default: $OUT, else the working directory)

Exit code 0 when every proof held, 1 when one did not, 2 for wrong usage.`;

/** Reads the command line; undefined where help was asked for. Throws ArgumentError, or TypeError of parseArgs. */
export function readOptions(args: readonly string[], environment: NodeJS.ProcessEnv): CheckOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      backend: { type: 'string', default: 'cuda' },
      quick: { type: 'boolean', default: false },
      stages: { type: 'string' },
      'without-rivals': { type: 'boolean', default: false },
      minutes: { type: 'string' },
      out: { type: 'string' },
      child: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const backend = backendNames.find((name) => name === values.backend);
  if (backend === undefined) throw invalid('--backend', `one of ${backendNames.join(', ')}`, values.backend);
  return {
    backend,
    quick: values.quick,
    rivals: !values['without-rivals'],
    stages: values.stages === undefined ? checkedStages : values.stages.split(',').map(stageOf),
    out: values.out ?? (environment.OUT || '.'),
    seconds: values.minutes === undefined ? Number.POSITIVE_INFINITY : 60 * minutesOf(values.minutes),
    child: values.child === undefined ? undefined : stageOf(values.child),
  };
}

export function minutesOf(text: string): number {
  const minutes = Number(text);
  if (!(minutes > 0)) throw invalid('--minutes', 'a number above 0', text);
  return minutes;
}

function stageOf(text: string): StageName {
  const name = stageNames.find((known) => known === text.trim());
  if (name === undefined) throw invalid('--stages', `names among ${stageNames.join(', ')}`, text.trim());
  return name;
}
