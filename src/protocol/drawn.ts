// Random architectures of the space that a search has recorded: whatever space it is, one of the caller's own too.
import { FileError } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { type LayoutRecord, layoutOfRecord } from '../run/journal.ts';
import { readStagedRecords } from '../run/stages.ts';
import { type AlphaLayout, selectableOf } from '../select/layout.ts';
import { randomGenotype } from '../select/random_genotype.ts';
import { usualSelection } from '../select/rules.ts';

/** Operations for which a candidate of a first stage stands. */
export type MembersOf = (candidate: string) => readonly string[];

/** The space of the search in a folder, of one in stages that of its first. Throws FileError where it does not tell. */
export async function searchedLayout(directory: string): Promise<AlphaLayout> {
  return layoutOfRecord(await firstLayout(directory));
}

/**
 * A random genotype of that space, by the rule by which the search selects, with one of the operations for which a candidate stands. Throws
 * FileError, and ArgumentError for a rule that leaves nothing.
 */
export async function drawnGenotype(
  directory: string,
  seed: number,
  membersOf: MembersOf | undefined,
): Promise<Genotype> {
  const record = await firstLayout(directory);
  return randomGenotype(selectableOf(layoutOfRecord(record)), usualSelection(record), seed, membersOf);
}

async function firstLayout(directory: string): Promise<LayoutRecord> {
  for await (const { record } of readStagedRecords(directory)) if (record.type === 'layout') return record;
  throw new FileError(
    `${directory} does not tell its search space, so that no random architecture of it can be drawn: leave the baseline out (--no-baseline)`,
  );
}
