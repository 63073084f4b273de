// How the command line writes quantities for people.

/** Seconds as 0:07, 12:05 or 1:23:45; -:-- when unknown. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-:--';
  const whole = Math.max(0, Math.round(seconds));
  const pad = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

/** A share from 0 to 1 as 93.1%. */
export function formatShare(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

/** Images a second: 2.4, 189. */
export function formatRate(rate: number): string {
  return rate < 10 ? rate.toFixed(1) : rate.toFixed(0);
}

/** A count to four digits: 812, 1.931 M, 295.8 M. */
export function formatCount(count: number): string {
  return scaled(count, 1000, ['', ' k', ' M', ' G', ' T']);
}

/** Bytes to four digits in powers of 1024: 512 B, 86.25 MiB. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB']);
}

/** Three significant digits without an exponent: 0.0123, 1.23, 45.6, 1235. */
export function formatFigure(value: number): string {
  const rounded = Number(value.toPrecision(3));
  if (rounded >= 100 || rounded === 0) return value.toFixed(0);
  return value.toFixed(Math.min(9, 2 - Math.floor(Math.log10(Math.abs(rounded)))));
}

/** Every digit, in groups of three: 1,930,618. */
export function formatExact(count: number): string {
  return count.toLocaleString('en-US');
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let unit = 0;
  let rest = value;
  while (rest >= base && unit < units.length - 1) {
    rest /= base;
    unit++;
  }
  return `${unit === 0 ? rest : rest.toPrecision(4)}${units[unit]}`;
}

/** 1 class, 10 classes. */
export function formatClasses(count: number): string {
  return `${formatExact(count)} ${count === 1 ? 'class' : 'classes'}`;
}

/** Rows as aligned columns two spaces apart, without trailing spaces; columns named in `right` are set flush right. */
export function formatTable(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  );
}

/** A list on lines of at most so many characters, those behind the first one indented. */
export function wrapped(list: string, columns: number): string {
  return list.replace(new RegExp(`(.{1,${columns}})(?: |$)`, 'g'), '$1\n  ').trimEnd();
}
