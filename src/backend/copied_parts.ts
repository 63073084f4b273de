import type { CopyCommand } from './device.ts';
import { type Arena, type ParameterPlace, valueArenas } from './parameter_map.ts';

/** Part of an arena that is copied to another place of the same arena. */
export interface CopiedPart {
  readonly arena: Arena;
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

/** Names of a copy's tensors: in its target, and where they come from. */
export function copiedNames({
  target,
  tensors,
}: Pick<CopyCommand, 'target' | 'tensors'>): (readonly [string, string])[] {
  const names = tensors ?? [...target.map.places.keys()];
  return Array.isArray(names) ? names.map((name) => [name, name]) : Object.entries(names as Record<string, string>);
}

/** The parts that a checked command copies, neighbours in one. */
export function copiedParts(command: CopyCommand): CopiedPart[] {
  const parts: CopiedPart[] = [];
  const place = (map: CopyCommand['target']['map'], name: string) => map.places.get(name) as ParameterPlace;
  for (const [name, source] of copiedNames(command)) {
    const { spec, offset: to, size } = place(command.target.map, name);
    const { offset: from } = place(command.parameters.map, source);
    const last = parts.at(-1);
    // Gaps between parameters hold zeros in both.
    const follows =
      last?.arena === valueArenas[spec.role] && to - last.to === from - last.from && isBehind(last.to + last.size, to);
    if (last === undefined || !follows) parts.push({ arena: valueArenas[spec.role], from, to, size });
    else parts[parts.length - 1] = { ...last, size: to + size - last.to };
  }
  return parts;
}

function isBehind(end: number, offset: number): boolean {
  return offset >= end && offset - end < 16;
}
