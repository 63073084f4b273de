import type { Reporter, TestModule } from 'vitest/node';

/** Prints 'N passed, N failed' as the last line, for people and CI alike. */
// biome-ignore lint/style/noDefaultExport: vitest loads reporters by their default export
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const line = closingLine(modules, errors);
    process.on('exit', () => process.stdout.write(`${line}\n`));
  }
}

/** Of all projects of a run. Errors outside tests count as failed: of a file, of a suite's hooks, which leave its tests out. */
export function closingLine(modules: readonly TestModule[], errors: readonly unknown[]): string {
  const counts = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
  for (const module of modules) {
    counts.failed += module.errors().length;
    for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
    for (const test of module.children.allTests()) counts[test.result().state]++;
  }
  const failed = counts.failed + counts.pending;
  return `${counts.passed} passed, ${failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`;
}
