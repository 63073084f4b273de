import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { methodsPage } from '../../src/methods/page.ts';
import { methods } from '../../src/methods/registry.ts';

it('docs/methods.md is what npm run docs:methods writes', () => {
  const page = readFileSync(new URL('../../docs/methods.md', import.meta.url), 'utf8');
  expect(page).toBe(methodsPage(methods));
});
