// Writes docs/methods.md from the methods' descriptions.
import { writeFileSync } from 'node:fs';
import { methodsPage } from '../src/methods/page.ts';
import { methods } from '../src/methods/registry.ts';

writeFileSync(new URL('../docs/methods.md', import.meta.url), methodsPage(methods));
