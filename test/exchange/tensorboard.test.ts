// Event files read by Google's own protobuf package for Python, where there is one.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { search } from '../../src/index.ts';
import { eventFilesIn, readEventFile, scalarsOf } from '../helpers/event_file.ts';
import { createFakeDevice } from '../helpers/fake_device.ts';
import { root } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../helpers/tiny_search.ts';

/** Debian's package belongs to Debian's Python. */
const python = ['python3', '/usr/bin/python3'].find(
  (name) => spawnSync(name, ['-c', 'import google.protobuf']).status === 0,
);
const reason = python === undefined ? ' (skipped: no Python with google.protobuf, as python3-protobuf has it)' : '';

interface TheirValue {
  readonly tag: string;
  readonly simple_value?: number;
  readonly histo?: {
    readonly num: number;
    readonly bucket: readonly number[];
    readonly bucket_limit: readonly number[];
  };
  readonly image?: { readonly encoded_image_string: string; readonly width: number };
  readonly tensor?: { readonly string_val?: readonly string[] };
  readonly hparams?: {
    readonly session_start_info?: {
      readonly hparams: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
    };
  };
}

describe.skipIf(python === undefined)(`event files and Google's protobuf${reason}`, () => {
  it('hold what it reads: scalars, histograms, pictures, texts and settings', async () => {
    const out = join(scratch(), 'run');
    const options = { dataset: tinyDataset(), settings: tinySettings, device: createFakeDevice() };
    await search({ ...options, out, tensorboard: true }).result;
    const [file] = eventFilesIn(join(out, 'tensorboard'));
    const { status, stdout, stderr } = spawnSync(python!, [join(root, 'test/exchange/read_events.py'), file], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const values: (TheirValue & { readonly step: number })[] = events.flatMap(({ step = 0, summary }) =>
      (summary?.value ?? []).map((value: TheirValue) => ({ step, ...value })),
    );
    const scalars = values.flatMap(({ tag, step, simple_value: value }) =>
      value === undefined ? [] : [[tag, step, value]],
    );
    expect(scalars).toEqual(scalarsOf(readEventFile(file)));
    expect(scalars.length).toBeGreaterThan(30);

    const alpha = values.filter(({ tag }) => tag === 'alpha/normal');
    expect(alpha.map(({ histo }) => histo?.num)).toEqual([112, 112, 112]);
    for (const { histo } of alpha) expect(histo?.bucket.length).toBe(histo?.bucket_limit.length);
    const [cells] = values.filter(({ tag }) => tag === 'cells');
    const png = Buffer.from(cells.image?.encoded_image_string ?? '', 'hex');
    expect(png.readUInt32BE(16)).toBe(cells.image?.width);
    const settings = values.find(({ tag }) => tag === 'settings')?.tensor?.string_val?.[0];
    expect(Buffer.from(settings ?? '', 'hex').toString()).toContain('| batchSize | 8 |');
    const told = values.flatMap(({ hparams }) => hparams?.session_start_info?.hparams ?? []);
    expect(told).toContainEqual({ key: 'epochs', value: { number_value: 2 } });
    expect(told).toContainEqual({ key: 'unrolled', value: { bool_value: false } });
    expect(told).toContainEqual({ key: 'method', value: { string_value: 'darts' } });
    // 0 is a value too.
    expect(told).toContainEqual({ key: 'seed', value: { number_value: 0 } });
    expect(readFileSync(file).length).toBeGreaterThan(png.length);
  });
});
