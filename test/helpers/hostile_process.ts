import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type AddonName, loadAddon } from '../../src/backend/native/addon.ts';

/** How one call of hostile_calls.mjs ended. */
export interface CallOutcome {
  readonly name: string;
  /** Whether the call is one that should succeed. */
  readonly isSound: boolean;
  /** The error as a string; null where the call went through, undefined where it ended the process. */
  readonly thrown?: string | null;
}

const script = fileURLToPath(new URL('./hostile_calls.mjs', import.meta.url));

/** Makes every call in processes of their own, a new one after each that died. */
export function makeHostileCalls(addon: AddonName): CallOutcome[] {
  const backend = addon === 'simt' ? 'cuda' : 'cpu';
  const outcomes: CallOutcome[] = [];
  for (;;) {
    const made = outcomes.length;
    // The limit keeps a huge allocation that should be refused from taking the machine down; in KiB.
    const command = 'ulimit -v 12000000 2>/dev/null; exec "$0" "$@"';
    const args = ['-c', command, process.execPath, script, loadAddon(addon).path, backend, String(made)];
    const { status, stdout, stderr } = spawnSync('sh', args, { encoding: 'utf8', timeout: 50_000 });
    const lines = stdout.split('\n').filter((line) => line !== '');
    for (let i = 0; i < lines.length; i += 2) {
      outcomes.push({ ...JSON.parse(lines[i]), ...(i + 1 < lines.length ? JSON.parse(lines[i + 1]) : {}) });
    }
    if (status === 0) return outcomes;
    if (outcomes.length === made) throw new Error(`hostile_calls.mjs does not start: ${stderr}`);
  }
}
