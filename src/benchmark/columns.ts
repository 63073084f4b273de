// The accuracies that the benchmark holds of a cell, by the names of a table's columns.

/** Images that a network was trained on, as the benchmark names them. */
export type BenchmarkSet = 'cifar10-valid' | 'cifar10' | 'cifar100' | 'ImageNet16-120';

/** Images that it was scored on after its last epoch. */
export type BenchmarkSplit = 'train' | 'x-valid' | 'x-test' | 'ori-test';

/** What a column holds: an accuracy in percent, the mean over the benchmark's seeds. */
export interface BenchmarkColumn {
  readonly name: string;
  /** Of the training, which is also what the benchmark calls it (hp). */
  readonly epochs: 200 | 12;
  readonly set: BenchmarkSet;
  readonly split: BenchmarkSplit;
}

/** Names of 200 epochs; those of 12 end in `_12ep`. What papers report stands first of a set. */
const names: readonly (readonly [name: string, set: BenchmarkSet, split: BenchmarkSplit])[] = [
  ['cifar10_test', 'cifar10', 'ori-test'],
  ['cifar10_train', 'cifar10', 'train'],
  ['cifar10_valid', 'cifar10-valid', 'x-valid'],
  ['cifar10_half_train', 'cifar10-valid', 'train'],
  ['cifar10_half_test', 'cifar10-valid', 'ori-test'],
  ['cifar100_test', 'cifar100', 'x-test'],
  ['cifar100_valid', 'cifar100', 'x-valid'],
  ['cifar100_train', 'cifar100', 'train'],
  ['cifar100_full_test', 'cifar100', 'ori-test'],
  ['imagenet16_test', 'ImageNet16-120', 'x-test'],
  ['imagenet16_valid', 'ImageNet16-120', 'x-valid'],
  ['imagenet16_train', 'ImageNet16-120', 'train'],
  ['imagenet16_full_test', 'ImageNet16-120', 'ori-test'],
];

/** All columns that a table can have, in the order in which they are written. */
export const benchmarkColumns: readonly BenchmarkColumn[] = ([200, 12] as const).flatMap((epochs) =>
  names.map(([name, set, split]) => ({ name: epochs === 12 ? `${name}_12ep` : name, epochs, set, split })),
);

/** What a table's file names a cell by, before its accuracies. */
export const cellColumns = ['arch_index', 'arch_str'] as const;

const trainedOn: Readonly<Record<BenchmarkSet, string>> = {
  'cifar10-valid': 'half of CIFAR-10',
  cifar10: 'CIFAR-10',
  cifar100: 'CIFAR-100',
  'ImageNet16-120': 'ImageNet16-120',
};

/** Training and scored images of a column in words. */
export function describeColumn({ set, split }: BenchmarkColumn): { trainedOn: string; scoredOn: string } {
  return { trainedOn: trainedOn[set], scoredOn: scoredOn(set, split) };
}

function scoredOn(set: BenchmarkSet, split: BenchmarkSplit): string {
  if (split === 'train') return 'what it was trained on';
  if (split === 'ori-test') return 'all test images';
  if (set === 'cifar10-valid') return 'other half of training images';
  return split === 'x-valid' ? 'half of test images' : 'other half of test images';
}
