// The space that a stage of a search chose from, as its journal tells: what it takes to build the supernet of a checkpoint again.
import { dirname, join, resolve } from 'node:path';
import { ArgumentError } from '../errors.ts';
import { cellKey, oneCell } from '../genotype/genotype.ts';
import type { MixingActivation } from '../graph/graph.ts';
import { exists } from '../io/file_error.ts';
import type { AlphaLayout } from '../select/layout.ts';
import type { SearchSpace } from '../space/space.ts';
import { type RunFiles, runFiles } from './directory.ts';
import { layoutOfRecord } from './journal.ts';
import { recordedSkeleton } from './known_operations.ts';
import { readStagedRecords } from './stages.ts';

/** A stage of a run, with how its tables of alpha lie. */
export interface RecordedStage {
  readonly name: string;
  readonly layout: AlphaLayout;
  readonly activation: MixingActivation;
  /** Where its checkpoint is, or will be. */
  readonly files: RunFiles;
}

/** The stages of a search that have begun, by name. Throws FileError where there is no journal. */
export async function readRecordedStages(directory: string): Promise<Map<string, RecordedStage>> {
  const files = runFiles(directory);
  const stages = new Map<string, RecordedStage>();
  for await (const { record, name } of readStagedRecords(directory)) {
    if (record.type !== 'layout') continue;
    const kept = runFiles(join(directory, name));
    const place = (await exists(kept.checkpoint)) ? kept : files;
    stages.set(name, { name, layout: layoutOfRecord(record), activation: record.activation, files: place });
  }
  return stages;
}

/** The space of a stage; throws ArgumentError for operations of its own, and says with `lost` what cannot be done then. */
export function recordedSpace({ layout, activation, files }: RecordedStage, lost: string): SearchSpace {
  const { nodes, tables } = layout;
  const names = Object.values(tables).flatMap(({ rows }) => rows.flatMap(({ candidates }) => candidates));
  const shared = Object.values(tables).find(
    ({ name }, index, all) => all.findIndex((one) => one.name === name) < index,
  );
  if (shared !== undefined) {
    throw new ArgumentError(`cells of ${files.directory} share alpha stage by stage (${shared.name}): ${lost}`);
  }
  const skeleton = recordedSkeleton(layout, names, files.directory, lost);
  return {
    ...{ name: 'recorded', skeleton, nodes, activation, sharedAlpha: 'normal' in tables || oneCell in tables },
    candidates: ({ cell, index, node, input }) => {
      const { rows } = tables[index === undefined ? cell : cellKey(index)];
      return rows.find((row) => row.node === node && row.input === input)?.candidates ?? [];
    },
  };
}

/** The space of a checkpoint in the directory of a search, or in that of a stage of one; undefined for any other file. */
export async function spaceOfCheckpoint(path: string): Promise<SearchSpace | undefined> {
  const folder = dirname(resolve(path));
  for (const directory of [folder, dirname(folder)]) {
    if (!(await exists(runFiles(directory).journal))) continue;
    const stages = [...(await readRecordedStages(directory)).values()];
    const stage = stages.findLast(({ files }) => files.checkpoint === resolve(path));
    if (stage !== undefined) return recordedSpace(stage, 'its supernet cannot be built');
  }
  return undefined;
}
