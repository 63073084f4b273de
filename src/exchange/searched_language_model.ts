// Language models of searches in files: their architecture parameters, and the cell that these select.
import { type RecurrentGenotype, recurrentCell } from '../genotype/genotype.ts';
import { elementsOf } from '../graph/shape.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { languageModelNames } from '../network/language_model.ts';
import { mixingOf, selectableOf } from '../select/layout.ts';
import { recurrentRows } from '../select/recurrent_rows.ts';
import { genotypeOf } from '../select/strongest_edges.ts';
import { rowsOf } from './alphas.ts';

const { alpha } = languageModelNames;

/** Architecture parameters that prefer nothing. */
export function zeroLanguageAlpha(nodes: number): WeightTensor {
  const rows = recurrentRows(nodes);
  const shape = [rows.length, rows[0].candidates.length];
  return { shape, data: new Float32Array(elementsOf(shape)) };
}

/** The cell that a table of alpha selects; undefined where it is none of so many nodes, or holds what are no numbers. */
export function selectedCell(nodes: number, { shape, data }: WeightTensor): RecurrentGenotype | undefined {
  const layout = { nodes, tables: { [recurrentCell]: { name: alpha, rows: recurrentRows(nodes) } } };
  const mixing = mixingOf(layout, 'softmax', { [alpha]: rowsOf(data, shape) });
  const genotype = mixing && genotypeOf(selectableOf(layout), mixing);
  return genotype?.recurrent === undefined ? undefined : genotype;
}
