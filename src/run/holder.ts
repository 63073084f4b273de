// Who works in a run directory, told so that another process can see whether that one still does.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errorCode } from '../io/file_error.ts';

/** A thread of a process, told from any other that has had its numbers or will have them. */
export interface Holder {
  readonly host: string;
  readonly pid: number;
  /** When it took hold, in ISO 8601. */
  readonly since: string;
  /** In which `pid` counts: containers of one host have one each. Empty where there are none. */
  readonly namespace: string;
  /** Of Linux, below /proc: `4711/task/4711`. Empty elsewhere. */
  readonly thread: string;
  /** When the thread, or elsewhere the process, started, in whatever form the system tells it. */
  readonly started: string;
}

/** The calling thread. */
export function thisHolder(): Holder {
  const { pid } = process;
  const thread = linkAt('/proc/thread-self');
  const started = (thread === '' ? startOfProcess(pid) : startOfThread(thread)) ?? '';
  return { host: hostname(), pid, since: new Date().toISOString(), namespace: namespace(), thread, started };
}

/** Whether a holder still runs; `unseen` for one that cannot be looked for from here. */
export function stateOf(holder: Holder): 'runs' | 'gone' | 'unseen' {
  if (holder.host !== hostname() || holder.namespace !== namespace()) return 'unseen';
  if (!isProcess(holder.pid)) return 'gone';
  if (holder.thread === '') return sameStart(startOfProcess(holder.pid), holder);
  const started = startOfThread(holder.thread);
  // A process of another user may be hidden as a whole.
  if (started === undefined && !existsSync(`/proc/${holder.pid}`)) return 'runs';
  return started === holder.started ? 'runs' : 'gone';
}

/** Where the system does not tell a start the process number has to do. */
function sameStart(started: string | undefined, holder: Holder): 'runs' | 'gone' {
  return started === undefined || started === holder.started ? 'runs' : 'gone';
}

function namespace(): string {
  return linkAt('/proc/self/ns/pid');
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** In clock ticks since the machine started; undefined for one that has ended, though its parent may not have noticed yet. */
function startOfThread(thread: string): string | undefined {
  // From a file that anybody may have written: it must not lead elsewhere.
  if (!/^\d+\/task\/\d+$/.test(thread)) return undefined;
  try {
    const stat = readFileSync(`/proc/${thread}/stat`, 'latin1');
    // Behind the name, which may hold anything: the state is field 3, the start field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return ['Z', 'X'].includes(fields[0]) ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Where there is no /proc. */
function startOfProcess(pid: number): string | undefined {
  try {
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
    const stdio = ['ignore', 'pipe', 'ignore'] as const;
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      env,
      stdio: [...stdio],
      encoding: 'utf8',
    }).trim();
  } catch {
    return undefined;
  }
}
