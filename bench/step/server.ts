// Our steps in a process of their own, so that its memory is theirs alone: one JSON request a line on stdin, one JSON answer
// a line on stdout, as bench/peers/server.py does for PyTorch.
import { createInterface } from 'node:readline';
import { type OurStep, openOurStep, type StepOptions } from './ours.ts';

let step: OurStep | undefined;
let key = '';

/** Takes one step. One with other options than the last begins anew and warms up: do not count its seconds. */
async function time(options: StepOptions) {
  if (JSON.stringify(options) !== key) {
    step?.close();
    step = await openOurStep(options);
    key = JSON.stringify(options);
  }
  const seconds = await step!.time();
  return { seconds, peakBytes: step!.peakBytes(), macs: step!.macs };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await time(JSON.parse(line)).catch((error: Error) => ({ error: error.message }));
  console.log(JSON.stringify(answer));
}
step?.close();
