// How plain data came from what it was: what goes over the event stream instead of the whole. Parts that are the same stay the same
// objects on both sides, so that nobody looks at them twice. Runs here and in the page.

/** What became of a value. */
export type Change =
  | { readonly set: unknown }
  /** Of an object: fields that changed or came, and those that went. */
  | { readonly fields: Readonly<Record<string, Change>>; readonly gone: readonly string[] }
  /** Of a list: items that changed among those that remain, how many remain, what follows them. */
  | { readonly items: readonly (readonly [number, Change])[]; readonly keep: number; readonly add: readonly unknown[] };

type Fields = Readonly<Record<string, unknown>>;

/** What turns one value into another; undefined where they are alike. */
export function changeBetween(before: unknown, after: unknown): Change | undefined {
  if (before === after) return undefined;
  if (Array.isArray(before) && Array.isArray(after)) return changeOfLists(before, after);
  if (isFields(before) && isFields(after)) return changeOfFields(before, after);
  return { set: after };
}

/** The value that a change makes of another. Throws TypeError for a change of something else. */
export function changed(before: unknown, change: Change): unknown {
  if ('set' in change) return change.set;
  if ('keep' in change) {
    if (!Array.isArray(before)) throw new TypeError('a change of a list met something else');
    const list: unknown[] = before.slice(0, change.keep);
    for (const [index, inner] of change.items) list[index] = changed(before[index], inner);
    for (const item of change.add) list.push(item);
    return list;
  }
  if (!isFields(before)) throw new TypeError('a change of an object met something else');
  const gone = new Set(change.gone);
  const kept = Object.entries(before).filter(([name]) => !gone.has(name));
  const became = Object.entries(change.fields).map(
    ([name, inner]) => [name, changed(own(before, name), inner)] as const,
  );
  // Not by assignment, to which a field called __proto__ would be more than a field.
  return Object.fromEntries([...kept, ...became]);
}

function changeOfLists(before: readonly unknown[], after: readonly unknown[]): Change | undefined {
  const items: [number, Change][] = [];
  const shared = Math.min(before.length, after.length);
  let keep = 0;
  for (; keep < shared; keep++) {
    if (before[keep] === after[keep]) continue;
    const change = changeBetween(before[keep], after[keep]);
    if (change === undefined) continue;
    if ('set' in change) break;
    items.push([keep, change]);
  }
  if (items.length === 0 && keep === before.length && keep === after.length) return undefined;
  return { items, keep, add: after.slice(keep) };
}

function changeOfFields(before: Fields, after: Fields): Change | undefined {
  const fields: [string, Change][] = [];
  for (const [name, value] of Object.entries(after)) {
    // What JSON leaves out is not there.
    if (value === undefined) continue;
    const change = own(before, name) === undefined ? { set: value } : changeBetween(own(before, name), value);
    if (change !== undefined) fields.push([name, change]);
  }
  const gone = Object.keys(before).filter((name) => own(before, name) !== undefined && own(after, name) === undefined);
  return fields.length === 0 && gone.length === 0 ? undefined : { fields: Object.fromEntries(fields), gone };
}

function own(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
