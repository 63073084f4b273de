import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/helpers/build.ts',
    reporters: ['default', './test/helpers/closing_line.ts'],
    testTimeout: 60_000,
    // Most tests run the engine, which uses every core itself.
    maxWorkers: 2,
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      exclude: ['src/index.ts'],
      reporter: ['text-summary', 'html'],
    },
  },
});
