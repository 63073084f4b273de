// Kernels that WebAssembly lacks and no composition stands for: the plain platform does them, and says so once.
import { expect, it } from 'vitest';
import { openPlatform, type Platform } from '../../src/backend/tfjs/platform.ts';

/** The gradient of a padded, strided depthwise convolution in its input and its filter. */
async function gradients(platform: Platform): Promise<Float32Array[]> {
  const { tf } = await openPlatform(platform);
  const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * i));
  const x = tf.tensor4d(numbers(2 * 5 * 6 * 3), [2, 5, 6, 3]);
  const filter = tf.tensor4d(numbers(27), [3, 3, 3, 1]);
  const [dx, dFilter] = tf.grads((a, b) => tf.square(tf.depthwiseConv2d(a as typeof x, b as typeof x, 2, 'same')))([
    x,
    filter,
  ]);
  return [dx.dataSync() as Float32Array, dFilter.dataSync() as Float32Array];
}

it('are lent by the plain platform, with one warning each', async () => {
  const warnings: string[] = [];
  const listen = (warning: Error & { code?: string }) => {
    if (warning.code === 'DARTSMITH_TFJS_KERNEL') warnings.push(warning.message);
  };
  process.on('warning', listen);
  try {
    const expected = await gradients('cpu');
    const actual = [await gradients('wasm'), await gradients('wasm')];
    for (const run of actual) {
      run.forEach((values, i) => {
        for (const [j, value] of values.entries()) expect(value).toBeCloseTo(expected[i][j], 4);
      });
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings.map((text) => text.replace(/^TensorFlow.js has no right (\w+) .*$/, '$1')).sort()).toEqual([
      'DepthwiseConv2dNativeBackpropFilter',
      'DepthwiseConv2dNativeBackpropInput',
    ]);
  } finally {
    process.off('warning', listen);
  }
});
