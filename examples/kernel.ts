// Runs one kernel of the catalogue on plain arrays and times it: npx tsx examples/kernel.ts [RUNS]
import { openDevice } from 'dartsmith';
import { kernels, openKernel } from 'dartsmith/kernels';

const [runs = 20] = process.argv.slice(2).map(Number);
const [batchSize, height, width, channels] = [64, 32, 32, 16];

const device = await openDevice();
const separable = kernels.separable({ shape: [height, width, channels], kernel: 5 });
const kernel = await openKernel(device, { ...separable, batchSize });

const x = Float32Array.from({ length: batchSize * height * width * channels }, (_, i) => Math.sin(i));
const y = await kernel.forward({ x });
console.log(`output [${[batchSize, ...kernel.outputShape]}], the first pixel's first channel ${y[0].toFixed(4)}`);
for (const pass of ['forward', 'backward'] as const) {
  const millis = await kernel.time(pass, { x }, { runs });
  const median = millis.toSorted((a, b) => a - b)[millis.length >> 1];
  console.log(`${pass}: median of ${runs} passes ${median.toFixed(2)} ms`);
}
kernel.dispose();
device.dispose();
