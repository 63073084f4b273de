// Who takes a search step beside us: PyTorch in its forms, TensorFlow.js. Whoever is not here, or fails, is left out with a
// reason.
import { allowedProcessors } from '../../src/processors.ts';
import { openTfjsPeer, type TfjsPeer } from '../peers/tfjs.ts';
import { findTorch, serveTorch, type TorchExecution, type TorchForm, type TorchPeer } from '../peers/torch.ts';
import type { Context } from './context.ts';
import type { Order } from './search_steps.ts';
import type { NetworkSize, Sizes } from './sizes.ts';

/** Another library, or another form of one. */
export interface Rival {
  readonly name: string;
  /** Takes one step and gives its seconds; fails when it has not come to an end after so many. */
  time(order: Order, secondsLeft?: number): Promise<number>;
}

/** Those that can be asked, and why others cannot. */
export interface Rivals {
  readonly rivals: readonly Rival[];
  readonly leftOut: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Where none are wanted. */
export const noRivals: Rivals = { rivals: [], leftOut: { rivals: 'not asked for' }, close: async () => {} };

/** How PyTorch is asked; those that may take minutes to compile come last. */
const torchForms: readonly (TorchExecution & { readonly name: string; readonly form: TorchForm })[] = [
  { name: 'PyTorch, published code, eager, tf32', form: 'published', precision: 'tf32' },
  { name: 'PyTorch, tuned, eager, fp32', form: 'tuned', precision: 'fp32' },
  { name: 'PyTorch, tuned, eager, tf32', form: 'tuned', precision: 'tf32' },
  { name: 'PyTorch, tuned, CUDA graph, fp32', form: 'tuned', precision: 'fp32', graphed: true },
  { name: 'PyTorch, tuned, CUDA graph, tf32', form: 'tuned', precision: 'tf32', graphed: true },
  { name: 'PyTorch, tuned, CUDA graph, bf16', form: 'tuned', precision: 'bf16', graphed: true },
  { name: 'PyTorch, tuned, compiled, tf32', form: 'tuned', precision: 'tf32', compiled: true },
  {
    name: 'PyTorch, tuned, compiled, CUDA graph, tf32',
    form: 'tuned',
    precision: 'tf32',
    compiled: true,
    graphed: true,
  },
];

/** Finds every rival and starts it. Off a GPU the eager forms run on the CPU, to try the check; the others then fail. */
export async function openRivals(
  { backend, progress }: Pick<Context, 'backend' | 'progress'>,
  { step: size, compiledRivals }: Pick<Sizes, 'step' | 'compiledRivals'>,
): Promise<Rivals> {
  const leftOut: Record<string, string> = {};
  const rivals: Rival[] = [];
  progress('looking for PyTorch and TensorFlow.js');
  const python = await findTorch((reason) => {
    leftOut.PyTorch = reason;
  });
  let server: TorchPeer | undefined;
  if (python !== undefined) {
    const forms = torchForms.filter(({ compiled }) => compiledRivals || !compiled);
    if (forms.length < torchForms.length) leftOut['PyTorch, compiled'] = 'it takes minutes: not with --quick';
    const ask = forms.map(
      ({ name, ...form }): Rival => ({
        name: `${name} (${python.version})`,
        time: async (order, secondsLeft = Number.POSITIVE_INFINITY) => {
          server ??= serveTorch(python);
          const asked = server;
          const { seconds } = await limited(
            Math.min(timeLimit(form), secondsLeft),
            asked.time({ ...form, ...stepOf(order, size, backend) }),
            () => {
              // Whoever comes next gets a new one.
              server = undefined;
              return asked.kill();
            },
          );
          return seconds;
        },
      }),
    );
    rivals.push(...ask);
  }
  let tfjs: TfjsPeer | undefined;
  try {
    tfjs = await openTfjsPeer(size);
    const peer = tfjs;
    rivals.push({ name: peer.name, time: (order) => peer.time(order) });
  } catch (error) {
    leftOut['TensorFlow.js'] = (error as Error).message;
  }
  return {
    rivals,
    leftOut,
    close: async () => {
      tfjs?.close();
      await server?.kill();
    },
  };
}

function stepOf(order: Order, { batch, image, channels, layers }: NetworkSize, backend: Context['backend']) {
  const device = backend === 'cuda' ? 'cuda' : 'cpu';
  // Off a GPU nothing is measured: threads that wait for each other would only be slow on a busy machine.
  const threads = device === 'cuda' ? allowedProcessors() : 1;
  return { work: order, batch, channels, layers, size: image[0], device, threads } as const;
}

/** Seconds of one step at most, the first one with all its compiling. */
function timeLimit({ compiled }: TorchExecution): number {
  return compiled ? 180 : 60;
}

/** What comes of a promise, or an error after so many seconds, when `stop` was done. */
async function limited<T>(seconds: number, work: Promise<T>, stop: () => Promise<void>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`a step took longer than ${Math.round(seconds)} s`));
      void stop();
    }, seconds * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {});
  }
}
