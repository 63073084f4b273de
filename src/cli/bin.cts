#!/usr/bin/env node
// The command's first file. libuv reads the number of its threads, on which images are decoded, when it first needs one, which an
// ES module's import already does: so this one is CommonJS.
const { availableParallelism } = require('node:os') as typeof import('node:os');

process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));
void import('./main.ts');
