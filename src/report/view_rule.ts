// What a view of a run must be before its insides are trusted.
import { isRecord, type Rule } from '../checks.ts';

/** A view as `readRunView` gives it. */
export const aRunView: Rule = {
  words: 'a view of a run as readRunView gives it',
  holds: (value) =>
    isRecord(value) &&
    typeof value['name'] === 'string' &&
    isRecord(value['settings']) &&
    isListOf(value['series'], isSeries) &&
    isListOf(value['stages'], isStage) &&
    isListOf(value['log'], isRecord) &&
    isListOf(value['problems'], (one) => typeof one === 'string'),
};

function isListOf(value: unknown, is: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(is);
}

function isSeries(value: unknown): boolean {
  if (!isRecord(value) || !Array.isArray(value['x']) || !Array.isArray(value['y'])) return false;
  const { name, title, x, y } = value;
  const areNamed = typeof name === 'string' && typeof title === 'string';
  return areNamed && x.length === y.length && x.every(Number.isFinite) && y.every(Number.isFinite);
}

function isStage(value: unknown): boolean {
  if (!isRecord(value) || !isRecord(value['before'])) return false;
  const { name, genotypes, decisions } = value;
  return typeof name === 'string' && isListOf(genotypes, isRecord) && isListOf(decisions, isRecord);
}
