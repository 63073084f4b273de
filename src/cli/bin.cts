#!/usr/bin/env node
// The command's first file, in words that Node 12 can read, so that an old Node is told what is wanted instead of failing somewhere.
// It is CommonJS since libuv reads the number of its threads, on which images are decoded, when it first needs one, which an ES
// module's import already does, but not its require.
const wanted = [20, 19];
const found = process.versions.node.split('.').map(Number);

if (found[0] < wanted[0] || (found[0] === wanted[0] && found[1] < wanted[1])) {
  console.error(`dartsmith: expected Node ${wanted.join('.')} or later, but this is Node ${process.versions.node}`);
  process.exit(1);
}

if (process.env.UV_THREADPOOL_SIZE === undefined) {
  const { allowedProcessors } = require('../processors.js') as { allowedProcessors(): number };
  process.env.UV_THREADPOOL_SIZE = String(Math.max(4, allowedProcessors()));
}
void import('./main.ts');
