// Every benchmark with its defaults. Option: --json FOLDER, where each writes its results.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchKernels } from './kernels/kernels.ts';
import { benchStep } from './step/step.ts';

const { values } = parseArgs({ options: { json: { type: 'string' } } });
if (values.json) mkdirSync(values.json, { recursive: true });
const json = (name: string) => (values.json ? ['--json', join(values.json, name)] : []);

await benchKernels(json('kernels.json'));
console.log();
await benchStep(json('step.json'));
