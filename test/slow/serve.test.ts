import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { loadDataset } from '../../src/data/load.ts';
import { cli } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';
import { example, installExample } from '../helpers/serve_example.ts';

beforeAll(installExample, 120_000);

it('a search, its training, the export and a server: the whole way on the command line', async () => {
  const folder = scratch();
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    return stdout;
  };
  const size = ['--init-channels', '4', '--layers', '3', '--epochs', '1'];
  run('search', '--limit', '64', '--batch-size', '16', ...size, '--out', 'searched');
  run('train', '--arch', 'searched', '--limit', '640', '--batch-size', '16', ...size, '--out', 'trained');
  expect(run('test', '--arch', 'trained')).toContain('10000 test images');
  run('draw', 'trained', '--out', 'cells.png');
  expect(run('export', '--arch', 'trained', '--out', 'network.onnx')).toContain(
    'images [batch, 1, 28, 28] of pixels from 0 to 1',
  );

  const server = spawn(process.execPath, [join(example, 'serve.js'), join(folder, 'network.onnx'), '0']);
  try {
    const port = await new Promise<string>((resolve, reject) => {
      server.stdout.on('data', (text) => resolve(/port (\d+)/.exec(String(text))![1]));
      server.on('exit', reject);
    });
    const { test } = await loadDataset('mnist', { limit: 2 });
    const score = JSON.parse(run('test', '--arch', 'trained', '--json'));
    const answers: number[] = [];
    for (let i = 0; i < 40; i++) {
      const body = Buffer.from(test!.images.subarray(i * 784, (i + 1) * 784));
      answers.push(Number(await (await fetch(`http://localhost:${port}`, { method: 'POST', body })).text()));
    }
    const right = answers.filter((answer, i) => answer === test!.labels[i]).length;
    // A sample of 40 of the images that the score is of.
    expect(Math.abs(right / 40 - score.accuracy)).toBeLessThan(0.3);
    expect(new Set(answers).size).toBeGreaterThan(1);
  } finally {
    server.kill();
  }
});
