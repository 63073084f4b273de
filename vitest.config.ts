import { defineConfig } from 'vitest/config';

/** What every project has. Nothing is inherited from the root, whose set-up would run once for each. */
const shared = {
  // Only against hanging: a machine that does much else beside the tests takes ten times as long.
  testTimeout: 300_000,
  hookTimeout: 120_000,
  // Most tests run the engine, which uses every core itself.
  maxWorkers: 2,
  // Nobody's cache directory is read or written but by tests of just that.
  env: { DARTSMITH_TUNING: 'off' },
};

export default defineConfig({
  test: {
    globalSetup: 'test/helpers/build.ts',
    reporters: ['default', './test/helpers/closing_line.ts'],
    projects: [
      {
        test: {
          ...shared,
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/slow/**', 'test/timing/**'],
          sequence: { groupOrder: 0 },
        },
      },
      // Proofs that take minutes: npm run test:slow.
      {
        test: {
          ...shared,
          name: 'slow',
          include: ['test/slow/**/*.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          sequence: { groupOrder: 1 },
        },
      },
      // What measures time runs after all others, one file at a time.
      {
        test: {
          ...shared,
          name: 'timing',
          include: ['test/timing/**/*.test.ts'],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      // The command's first file is CommonJS, which neither vite compiles nor a test imports.
      exclude: ['src/index.ts', 'src/**/*.cts'],
      reporter: ['text-summary', 'html'],
    },
  },
});
