import { Worker } from 'node:worker_threads';
import { AbortedError, abortedBy, BackendError, invalid } from '../errors.ts';
import { allowedProcessors } from '../processors.ts';
import type { PrepareTask } from './prepare.ts';
import type { PreparedImage, Reply, Request } from './worker.ts';

interface Job {
  readonly task: PrepareTask;
  readonly signal?: AbortSignal;
  readonly resolve: (image: PreparedImage) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  /** Those that it was sent, by number. */
  readonly jobs: Map<number, Job>;
}

/** The second waits at the thread while libvips decodes for the first. */
const jobsPerThread = 2;

/** More read no faster than a disk gives, and each takes some 50 MB. */
const mostDefaultWorkers = 16;

/** Threads that are started when nobody says how many. */
export function defaultWorkers(): number {
  return Math.min(mostDefaultWorkers, allowedProcessors());
}

/** A number of threads. Throws ArgumentError. */
export function checkWorkers(workers: number): number {
  if (Number.isInteger(workers) && workers >= 1 && workers <= 1024) return workers;
  throw invalid('workers', 'an integer from 1 to 1024', workers);
}

/** Threads that prepare images, started when there is work. */
export class ImagePool implements Disposable {
  readonly #size: number;
  #threads: Thread[] = [];
  #waiting: Job[] = [];
  #sent = 0;
  /** Why it takes no more work. */
  #ended?: Error;

  /** Throws ArgumentError for a number of threads that is none. */
  constructor(size = defaultWorkers()) {
    this.#size = checkWorkers(size);
  }

  /** Prepares an image, in the order of asking. Rejects with AbortedError, or BackendError where a thread died. */
  prepare(task: PrepareTask, signal?: AbortSignal): Promise<PreparedImage> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      this.#waiting.push({ task, signal, resolve, reject });
      this.#deal();
    });
  }

  #deal(): void {
    // Asks for a thread only where there is work: the last replies come after the end, when nobody would stop a new one.
    while (this.#waiting.length > 0) {
      const thread = this.#idlest();
      if (thread === undefined) return;
      const job = this.#waiting.shift()!;
      if (job.signal?.aborted) {
        job.reject(abortedBy(job.signal));
        continue;
      }
      const id = this.#sent++;
      thread.jobs.set(id, job);
      thread.worker.postMessage({ id, task: job.task } satisfies Request);
    }
  }

  /** The thread to give the next job; undefined where all are busy. */
  #idlest(): Thread | undefined {
    const free = this.#threads.filter(({ jobs }) => jobs.size < jobsPerThread);
    const idle = free.find(({ jobs }) => jobs.size === 0);
    if (idle !== undefined) return idle;
    return this.#threads.length < this.#size ? this.#start() : free[0];
  }

  /** Undefined where the system gives no thread, which ends the pool. */
  #openWorker(): Worker | undefined {
    try {
      return new Worker(workerFile());
    } catch (error) {
      this.#end(new BackendError(`no thread to read images: ${(error as Error).message}`, { cause: error }));
      return undefined;
    }
  }

  #start(): Thread | undefined {
    const worker = this.#openWorker();
    if (worker === undefined) return undefined;
    const thread = { worker, jobs: new Map<number, Job>() };
    thread.worker.on('message', (reply: Reply) => {
      thread.jobs.get(reply.id)?.resolve(reply);
      thread.jobs.delete(reply.id);
      this.#deal();
    });
    const fail = (error: Error) =>
      this.#end(new BackendError(`a thread that reads images failed: ${error.message}`, { cause: error }));
    thread.worker.on('error', fail);
    thread.worker.on('messageerror', fail);
    thread.worker.on('exit', () => {
      if (thread.jobs.size > 0) fail(new Error('it ended with work to do'));
    });
    this.#threads.push(thread);
    return thread;
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const job of this.#waiting.splice(0)) job.reject(reason);
    for (const { jobs, worker } of this.#threads.splice(0)) {
      for (const job of jobs.values()) job.reject(reason);
      // Not terminated: libvips may be at work for it.
      worker.postMessage(undefined satisfies Request);
    }
  }

  /** Ends the threads once they are done with what they have; work that waits is rejected with AbortedError. */
  [Symbol.dispose](): void {
    this.#end(new AbortedError());
  }
}

/** Threads of Node 20 run no TypeScript: a checkout's sources are served by what was compiled of them. */
function workerFile(): URL {
  const compiled = import.meta.filename.endsWith('.ts') ? '../../dist/load/worker.js' : './worker.js';
  return new URL(compiled, import.meta.url);
}
