// Our step in a process of its own, so that its memory is the step's alone. The argument is the step's options in JSON; each
// line on stdin takes one step and answers with one JSON line, as bench/peers/server.py does for PyTorch.
import { createInterface } from 'node:readline';
import { openOurStep } from './ours.ts';

const step = await openOurStep(JSON.parse(process.argv[2]));

/** Takes one step. The first warms up and measures memory: do not count its seconds. */
async function time() {
  const seconds = await step.time();
  return { seconds, peakBytes: step.peakBytes() };
}

for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await time().catch((error: Error) => ({ error: error.message }))));
}
step.close();
