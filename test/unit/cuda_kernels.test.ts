// What holds of every CUDA kernel by its source.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/** The first statement of every kernel that a file defines. */
function firstStatements(source: string): string[] {
  const definitions = source.matchAll(/__global__[^;{]*\)\s*\{\s*([^;]*;)/g);
  return [...definitions].map(([, statement]) => statement);
}

const files = readdirSync('native/cuda', { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.cuh?$/.test(file))
  .map((file) => join('native/cuda', file));

it('every kernel begins by waiting for those before it: nothing is read or written sooner where kernels start early', () => {
  const late = files.flatMap((file) =>
    firstStatements(readFileSync(file, 'utf8'))
      .filter((statement) => statement !== 'begin_kernel();')
      .map((statement) => `${file}: ${statement}`),
  );
  expect(late).toEqual([]);
});

it('finds the kernels', () => {
  const kernels = files.flatMap((file) => firstStatements(readFileSync(file, 'utf8')));
  expect(kernels.length).toBeGreaterThan(80);
  expect(firstStatements('__global__ void f(const float* x) {\n  x[0];\n}\n__global__ void g();')).toEqual(['x[0];']);
});
