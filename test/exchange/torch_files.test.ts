// Files of torch.save: those that PyTorch wrote (test/fixtures/torch), hostile ones, broken ones; and ours, read by PyTorch.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../src/errors.ts';
import { readTorchFile as openTorchFile } from '../../src/exchange/torch_read.ts';
import { encodeLegacyTorchFile, encodeTorchFile } from '../../src/exchange/torch_write.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import type { WeightTensor } from '../../src/io/safetensors.ts';
import { uniform } from '../../src/random/philox.ts';
import { root } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

const fixtures = join(root, 'test/fixtures/torch');
const fixture = (name: string) => readFileSync(join(fixtures, name));
const expected = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')) as Record<
  string,
  [number[], number[]]
>;

/** All tensors of a file. */
function readTorchFile(bytes: Uint8Array, path: string): ReadonlyMap<string, WeightTensor> {
  const { paths, read } = openTorchFile(bytes, path);
  return read(paths);
}

function plain(tensors: ReadonlyMap<string, WeightTensor>): Record<string, [number[], number[]]> {
  return Object.fromEntries([...tensors].map(([name, { shape, data }]) => [name, [[...shape], [...data]]]));
}

describe('files of PyTorch', () => {
  it.each(['zip.pt', 'legacy.pt', 'wrapped.pth.tar'])('%s: every type, views and wrappers', async (name) => {
    const { format, tensors } = await readWeights(join(fixtures, name));
    expect(format).toBe('torch');
    expect(plain(tensors)).toEqual(expected);
  });

  it('of version 1.13 in the legacy format', async () => {
    const { tensors } = await readWeights(join(fixtures, 'legacy_1_13.pt'));
    expect(Object.keys(plain(tensors))).toEqual(Object.keys(expected));
  });

  // Of make_beside.py, which lists what lies beside them.
  it.each(['beside.pt', 'beside_5.pt', 'beside_legacy.pt'])(
    '%s: tensors beside whatever programs keep',
    async (name) => {
      const { tensors } = await readWeights(join(fixtures, name));
      expect(plain(tensors)).toEqual({
        parameter: [[2], [1, -2]],
        attributed: [
          [2, 1],
          [3, 4.5],
        ],
        tagged: [[2], [0.25, 8]],
        flag: [[2], [1, 0]],
        unsigned: [[2], [65535, 1]],
      });
    },
  );

  it('that hold a module have its parameters', () => {
    expect(Object.keys(plain(readTorchFile(fixture('module.pt'), 'm.pt')))).toEqual(['weight', 'bias']);
  });

  it('that are packed anew, without a folder or with big-endian numbers have the same tensors', () => {
    const files = Object.entries(unzipSync(fixture('zip.pt')));
    const packed = (name: (name: string) => string, level: 0 | 9) =>
      zipSync(Object.fromEntries(files.map(([path, bytes]) => [name(path), [bytes, { level }]])));
    const same = (path: string) => path;
    const bare = (path: string) => path.slice(path.indexOf('/') + 1);
    for (const bytes of [packed(same, 9), packed(bare, 0), packed((path) => `a folder/${path}`, 9)]) {
      expect(plain(readTorchFile(bytes, 'packed'))).toEqual(expected);
    }
    const tensors = new Map([['a', { shape: [2], data: Float32Array.of(1.5, -3) }]]);
    const turned = unzipSync(encodeTorchFile(tensors));
    turned['archive/byteorder'] = Buffer.from('big');
    turned['archive/data/0'] = Buffer.from(turned['archive/data/0']).swap32();
    expect(plain(readTorchFile(zipSync(turned), 'big'))).toEqual(plain(tensors));
  });

  it('with elements of a type that is not read are refused by its name', () => {
    const complex = archive(tensorPickle('K\x02', 'K\x00', 'K\x02\x85', 'K\x01\x85').replace('Float', 'ComplexFloat'));
    expect(() => readTorchFile(complex, 'c.pt')).toThrow(/c\.pt .*type among float32.* but got complex64 in w/);
  });
});

describe.each([
  ['zip', encodeTorchFile],
  ['legacy', encodeLegacyTorchFile],
])('ours in the %s format', (_, encode) => {
  const tensors = new Map<string, WeightTensor>([
    ['a.weight', { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    ['scalar', { shape: [], data: Float32Array.of(-0.5) }],
    ['ünïcode', { shape: [2], data: Float64Array.of(0.25, 1e9) }],
    ['empty', { shape: [0], data: new Float32Array(0) }],
  ]);

  it('are read back, and have the same bytes every time', () => {
    const bytes = encode(tensors);
    expect(plain(readTorchFile(bytes, 'ours'))).toEqual(plain(tensors));
    expect(Buffer.from(encode(tensors)).equals(bytes)).toBe(true);
  });

  const python = process.env['DARTSMITH_PYTHON'] ?? '/usr/bin/python3';
  const hasTorch = python !== 'none' && spawnSync(python, ['-c', 'import torch']).status === 0;
  it.skipIf(!hasTorch)('are read by PyTorch', { timeout: 60_000 }, () => {
    const path = join(scratch(), 'ours.pt');
    writeFileSync(path, encode(tensors));
    const program = `
import json, sys, torch
state = torch.load(sys.argv[1], map_location='cpu')
print(json.dumps({name: [list(x.shape), x.flatten().tolist()] for name, x in state.items()}))`;
    const { stdout, stderr } = spawnSync(python, ['-c', program, path], { encoding: 'utf8' });
    expect(JSON.parse(stdout || `"${stderr}"`)).toEqual(plain(tensors));
  });
});

/** A zip archive around a pickle, with one storage of four floats. */
function archive(pickle: string | Uint8Array, level: 0 | 9 = 0): Uint8Array {
  const bytes = typeof pickle === 'string' ? Buffer.from(pickle, 'latin1') : pickle;
  return zipSync({ 'a/data.pkl': [bytes, { level }], 'a/data/0': [new Uint8Array(16), { level: 0 }] });
}

/** An entry `w` of a dict: a tensor of float storage 0, with so many elements said, at an offset, of a shape with strides. */
function tensorPickle(count: string, offset: string, shape: string, strides: string): string {
  const storage = `((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpu${count}tQ`;
  return `\x80\x02}(U\x01wctorch._utils\n_rebuild_tensor_v2\n${storage}${offset}${shape}${strides}\x89NtRu.`;
}
const four = 'K\x04';

describe('hostile files', () => {
  const read = (pickle: string | Uint8Array) => () => readTorchFile(archive(pickle), 'evil.pt');

  it('with a tensor that fits are read, which is what the next ones are made of', () => {
    const { w } = plain(read(tensorPickle(four, 'K\x00', 'K\x02K\x02\x86', 'K\x02K\x01\x86'))());
    expect(w).toEqual([
      [2, 2],
      [0, 0, 0, 0],
    ]);
  });

  it.each([
    ['a command', '\x80\x02cos\nsystem\n(U\x02lstR.', 'an object of os.system, which is not run'],
    ['a command of protocol 0', "cposix\nsystem\np0\n(S'ls'\np1\ntp2\nRp3\n.", "refused the pickle's opcode 0x70"],
    ['a builtin', '\x80\x02c__builtin__\neval\n(U\x011tR.', 'an object of __builtin__.eval, which is not run'],
    ['a name from the stack', '\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.', 'an object of os.system'],
    ['an instance', '\x80\x02(U\x02lsios\nsystem\n.', "refused the pickle's opcode 0x69"],
    ['a property of objects', '\x80\x02ctorch\nconstructor\n.', 'an object of torch.constructor'],
    ['an extension', '\x80\x02\x82\x01.', "refused the pickle's opcode 0x82"],
    ['a length below zero', '\x80\x03B\xfb\xff\xff\xff.', 'ends too early'],
    ['a tensor beyond its storage', tensorPickle(four, 'K\x03', 'K\x02\x85', 'K\x01\x85'), 'lies beyond its storage'],
    [
      'more elements than bytes',
      tensorPickle('J\x00\x00\x00\x40', 'K\x00', `${four}\x85`, 'K\x01\x85'),
      'bytes in storage 0',
    ],
    [
      'many elements of one',
      tensorPickle(four, 'K\x00', 'J\xff\xff\xff\x7f\x85', 'K\x00\x85'),
      'more elements than its storage',
    ],
    [
      'strides that are none',
      tensorPickle(four, 'K\x00', `${four}\x85`, 'U\x01a\x85'),
      'expected offset, shape and strides',
    ],
    ['a storage that is none', '\x80\x02U\x01xQ.', 'expected the identifier of a storage'],
    ['no tensors', '\x80\x02}U\x01aK\x01s.', 'expected a dict of named tensors'],
    ['a length set on a list', '\x80\x02ctorch\nSize\n]}U\x06lengthJ\xff\xff\xff\x7fsbR.', 'expected an object on top'],
    ['an endless integer', '\x80\x02\x8b\xff\xff\xff\x00', 'ends too early'],
    ['an endless text', '\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f', 'ends too early'],
    ['a name of objects', '\x80\x04]]\x93.', 'expected the name of a global'],
    ['a call without arguments', '\x80\x02cos\nsystem\nK\x01\x81.', 'expected the arguments of a global'],
    ['a command beside nothing', '\x80\x02}U\x01acos\nsystem\n)Rs.', 'one without tensors'],
    ['a list in itself', '\x80\x02]q\x00h\x00a.', 'a list without tensors'],
    ['a dict in itself', '\x80\x02}q\x00U\x01ah\x00s.', 'one without tensors'],
    ['lists in lists without end', `\x80\x02${']'.repeat(3e4)}${'a'.repeat(3e4 - 1)}.`, 'a list without tensors'],
    ['a pop below its mark', '\x80\x02K\x01((\x85.', 'takes more than it has'],
    ['a call of what is none', '\x80\x02K\x01)R.', 'cannot be read'],
    ['no end', '\x80\x02}', 'cannot be read'],
  ])('with %s are refused', (_, pickle, message) => {
    expect(read(pickle)).toThrow(FileError);
    expect(read(pickle)).toThrow('evil.pt');
    expect(read(pickle)).toThrow(message);
  });

  it('have what is named beside tensors, and nothing of it runs or reaches a tensor', () => {
    const tensor = tensorPickle(four, 'K\x00', `${four}q\x00\x85q\x01`, 'K\x01\x85');
    const four4 = { w: [[4], [0, 0, 0, 0]] };
    // A command beside it; attributes of the tensor itself; its shape, grown and shrunk behind its checks.
    for (const more of ['U\x01xcos\nsystem\n(U\x02lstRu.', '}U\x05shapeK\x09sbu.', 'h\x01K\x09a0u.']) {
      expect(plain(read(tensor.replace(/u\.$/, () => more))())).toEqual(four4);
    }
  });

  it('that make an object of every byte, or copy a long list again and again, are refused soon', () => {
    expect(read(`\x80\x02(${']'.repeat(2 ** 21 + 1)}t.`)).toThrow('objects in a pickle');
    const pairs = ']q\x00(U\x01aK\x01\x86q\x01'.concat('h\x01'.repeat(1e5), 'e');
    const call = 'ccollections\nOrderedDict\nh\x00\x85R0';
    const pickle = `\x80\x02${pairs}${call.repeat(1e4)}.`;
    expect(read(pickle)).toThrow('objects in a pickle');
    // Each of 100,000 opaque objects with the same 100,000 arguments, and the same state.
    const shared = `(${'N'.repeat(1e5)}tq\x00cos\nx\nq\x01`;
    expect(read(`\x80\x02(${shared}${'h\x01h\x00Rh\x00b'.repeat(1e5)}t.`)).toThrow('a list without tensors');
  });

  it('that would unpack to far more than they are, or than they say, are refused before they do', () => {
    const pickle = tensorPickle('J\x00\x00\x00\x40', 'K\x00', 'J\x00\x00\x00\x40\x85', 'K\x01\x85');
    const whole = zipSync({ 'a/data.pkl': Buffer.from(pickle, 'latin1'), 'a/data/0': new Uint8Array(2 ** 20) });
    expect(whole.length).toBeLessThan(2 ** 11);
    const directory = Buffer.from(whole).lastIndexOf('PK\x01\x02');
    const said = (bytes: number) => {
      const changed = Buffer.from(whole);
      changed.writeUInt32LE(bytes, directory + 24);
      return () => readTorchFile(changed, 'bomb');
    };
    expect(said(2 ** 26)).toThrow(/bomb .*at most 67108864 bytes but it unpacks to 6710/);
    expect(said(2 ** 20 - 1)).toThrow('bomb cannot be read: expected a whole zip archive');
    expect(said(2 ** 20 + 1)).toThrow('expected an entry of 1048577 bytes but got 1048576');
  });

  it('without a pickle, without a storage or packed in another way are refused', () => {
    const pickle = tensorPickle(four, 'K\x00', `${four}\x85`, 'K\x01\x85');
    const packed = Buffer.from(archive(pickle));
    for (let at = packed.indexOf('PK\x01\x02'); at >= 0; at = packed.indexOf('PK\x01\x02', at + 1))
      packed[at + 10] = 12;
    expect(() => readTorchFile(packed, 'e')).toThrow('stored or deflated');
    expect(() => readTorchFile(zipSync({ 'a/version': Buffer.from('3') }), 'e')).toThrow('expected data.pkl');
    expect(() => readTorchFile(zipSync({ 'a/data.pkl': [Buffer.from(pickle, 'latin1'), { level: 0 }] }), 'e')).toThrow(
      'expected the storage data/0',
    );
    expect(() => readTorchFile(Buffer.from('something else'), 'e')).toThrow('expected a safetensors file or one that');
  });

  it('whose entries share their bytes, or whose views share a few numbers, do not fill the memory', () => {
    const thousand = 'M\xe8\x03';
    const names = Array.from({ length: 200 }, (_, i) => `U\x04w${String(100 + i)}h\x00`);
    const [, tensor] = /(ctorch._utils.*R)u\.$/s.exec(tensorPickle(thousand, 'K\x00', `${thousand}\x85`, 'K\x01\x85'))!;
    const pickle = `\x80\x02}(U\x01w${tensor}q\x00${names.join('')}u.`;
    const storage = new Uint8Array(4000);
    const zip = zipSync({
      'a/data.pkl': [Buffer.from(pickle, 'latin1'), { level: 0 }],
      'a/data/0': [storage, { level: 0 }],
    });
    expect(() => readTorchFile(zip, 'bomb')).toThrow('not all of the same few numbers');
    // One local entry that many directory entries point to.
    const whole = Buffer.from(
      zipSync({ 'a/data/0': [new Uint8Array(4000), { level: 0 }], 'a/data/1': [new Uint8Array(4000), { level: 0 }] }),
    );
    const directory = whole.indexOf(Buffer.from('PK\x01\x02', 'latin1'));
    const second = whole.indexOf(Buffer.from('PK\x01\x02', 'latin1'), directory + 4);
    whole.copy(whole, second + 42, directory + 42, directory + 46);
    const cut = Buffer.concat([whole.subarray(0, 4100), whole.subarray(directory)]);
    cut.writeUInt32LE(4100, cut.length - 6);
    expect(() => readTorchFile(cut, 'bomb')).toThrow('entries do not overlap');
  });

  it('leave nothing behind in this process', () => {
    // Sets attributes, one of them the prototype, of a function and of a dict that were made for it.
    for (const target of ['ccollections\nOrderedDict\n', 'ccollections\nOrderedDict\n)R', '}']) {
      const pickle = `\x80\x02${target}}(U\x09__proto__}U\x08pollutedK\x01su}U\x08polluted2K\x01sub.`;
      expect(read(pickle)).toThrow(FileError);
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect((() => {}) as unknown as Record<string, unknown>).not.toHaveProperty('polluted2');
  });

  it.each([
    ['zip.pt', 2200],
    ['legacy.pt', 1500],
    ['beside_5.pt', 300],
  ])('cut at any byte or with bytes changed give a FileError or tensors: %s', (name, trials) => {
    const whole = fixture(name);
    const tried = (bytes: Uint8Array) => {
      try {
        readTorchFile(bytes, 'fuzz');
      } catch (error) {
        expect(error).toBeInstanceOf(FileError);
      }
    };
    const step = Math.ceil((4 * whole.length) / trials);
    for (let length = 0; length < whole.length; length += step) tried(whole.subarray(0, length));
    const draws = uniform({ seed: 5, purpose: 'split', epoch: 0, step: 0 }, 2 * trials);
    for (let i = 0; i < draws.length; i += 2) {
      const bytes = Uint8Array.from(whole);
      bytes[Math.floor(draws[i] * bytes.length)] = Math.floor(draws[i + 1] * 256);
      tried(bytes);
    }
  });
});
