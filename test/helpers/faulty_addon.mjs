// Preloaded into Node (--import), makes the simt addon compute wrongly: the first gradient of every pass that gives any is off
// by a tenth. With FAULT=crash its process dies in the first pass instead, with FAULT=drift each loss is another.
import Module from 'node:module';
import process from 'node:process';

const load = Module._extensions['.node'];
let drift = 0;

Module._extensions['.node'] = (module, path) => {
  load(module, path);
  if (!path.endsWith('simt.node')) return;
  const { execute } = module.exports;
  module.exports = { ...module.exports, execute: (...args) => changed(execute(...args)) };
};

function changed({ promise, cancel }) {
  if (process.env.FAULT === 'crash') process.kill(process.pid, 'SIGSEGV');
  return { cancel, promise: promise.then((outcomes) => outcomes.map(spoilt)) };
}

function spoilt(outcome) {
  if (process.env.FAULT === 'drift')
    return outcome.loss === undefined ? outcome : { ...outcome, loss: outcome.loss + drift++ };
  const [first] = outcome.inputGradients;
  if (first !== undefined) first[1][0] += 0.1;
  return outcome;
}
