#!/usr/bin/env node
// The command's first file. libuv reads the number of its threads, on which images are decoded, when it first needs one, which an
// ES module's import already does, but not its require: so this one is CommonJS.
const { allowedProcessors } = require('../processors.js') as { allowedProcessors(): number };

process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, allowedProcessors()));
void import('./main.ts');
