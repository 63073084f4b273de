// Which TensorFlow.js there is: the fastest package that loads here.
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { BackendError } from '../../errors.ts';
import { fillIn } from './missing_kernels.ts';
import type { Tf } from './tf.ts';

/** What installs the platforms that need no download beside npm's packages. */
export const installCommand = 'npm install @tensorflow/tfjs @tensorflow/tfjs-backend-wasm';

/** Platforms in the order of preference; a user installs the packages of those that are wanted. */
export const platforms = ['node-gpu', 'node', 'wasm', 'cpu'] as const;
export type Platform = (typeof platforms)[number];

/**
 * A platform that is ready.
 * @internal
 */
export interface OpenPlatform {
  readonly tf: Tf;
  readonly platform: Platform;
  /** For people, such as `TensorFlow.js 4.22.0, wasm`. */
  readonly description: string;
  /** Makes it the one that TensorFlow.js computes on: a process may have opened several. */
  activate(): Promise<void>;
}

/** Whether a platform can be used, and why not. */
export interface PlatformReport {
  readonly platform: Platform;
  readonly usable: boolean;
  readonly reason: string;
}

const packages: Readonly<Record<Platform, string>> = {
  'node-gpu': '@tensorflow/tfjs-node-gpu',
  node: '@tensorflow/tfjs-node',
  wasm: '@tensorflow/tfjs-backend-wasm',
  cpu: '@tensorflow/tfjs',
};

const opened = new Map<Platform, Promise<OpenPlatform>>();

/**
 * Opens the platform that was asked for, or the best. Throws BackendError, saying what to install, where there is none.
 * @internal
 */
export async function openPlatform(wanted?: Platform): Promise<OpenPlatform> {
  const faults: string[] = [];
  for (const platform of wanted === undefined ? platforms : [wanted]) {
    try {
      const found = await load(platform);
      await found.activate();
      return found;
    } catch (error) {
      faults.push(`${packages[platform]} ${faultOf(error)}`);
    }
  }
  const command = wanted === undefined ? installCommand : `npm install ${packages[wanted]}`;
  const trouble = faults.every((fault) => fault.endsWith(notInstalled))
    ? notInstalled
    : `cannot be used (${faults.join('; ')})`;
  throw new BackendError(`TensorFlow.js ${trouble}: ${command}`);
}

const notInstalled = 'is not installed';

function faultOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' ? notInstalled : `does not load: ${message.split('\n')[0]}`;
}

/** Every platform and whether it loads here; never throws. */
export async function describePlatforms(): Promise<PlatformReport[]> {
  const reports: PlatformReport[] = [];
  for (const platform of platforms) {
    try {
      const { description } = await load(platform);
      reports.push({ platform, usable: true, reason: description });
    } catch (error) {
      reports.push({ platform, usable: false, reason: faultOf(error) });
    }
  }
  return reports;
}

function load(platform: Platform): Promise<OpenPlatform> {
  const known = opened.get(platform);
  if (known !== undefined) return known;
  const loading = loadFresh(platform);
  opened.set(platform, loading);
  loading.catch(() => opened.delete(platform));
  return loading;
}

async function loadFresh(platform: Platform): Promise<OpenPlatform> {
  // biome-ignore lint/suspicious/noExplicitAny: packages that may be missing where this is compiled
  const found: any = await import(packages[platform]);
  // biome-ignore lint/suspicious/noExplicitAny: the same
  const api: any = platform === 'wasm' ? await import(packages.cpu) : found;
  const tf: Tf = api.default ?? api;
  // Without it TensorFlow.js advertises its other packages.
  tf.enableProdMode();
  if (platform === 'wasm') {
    await tf.setBackend('cpu');
    const folder = dirname(createRequire(import.meta.url).resolve(packages.wasm));
    (found.default ?? found).setWasmPaths(`${folder}${sep}`);
    if (!(await tf.setBackend('wasm'))) throw new Error('WebAssembly does not start');
    fillIn(tf);
  }
  if (!(await tf.setBackend(backendName(platform)))) throw new Error(`${backendName(platform)} does not start`);
  await tf.ready();
  return {
    tf,
    platform,
    description: `TensorFlow.js ${tf.version_core}, ${platform}`,
    activate: async () => {
      if (tf.getBackend() !== backendName(platform)) await tf.setBackend(backendName(platform));
    },
  };
}

function backendName(platform: Platform): string {
  return platform === 'node-gpu' || platform === 'node' ? 'tensorflow' : platform;
}
