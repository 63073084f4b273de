// Makes the page of the dashboard; scripts/build_ts.mjs says where to.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

const bundled = ['preact', 'uplot'];

/** What the licences of the bundled packages ask for. */
function licences(): Plugin {
  const require = createRequire(import.meta.url);
  const of = (name: string) => {
    const text = readFileSync(join(packageFolder(require.resolve(name), name), 'LICENSE'), 'utf8');
    return `${name}\n\n${text.trim()}\n`;
  };
  return {
    name: 'licences',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'licences.txt', source: bundled.map(of).join('\n---\n\n') });
    },
  };
}

function packageFolder(file: string, name: string): string {
  const end = join('node_modules', name);
  return file.slice(0, file.lastIndexOf(end) + end.length);
}

export default defineConfig({
  root: fileURLToPath(new URL('../src/dashboard/page', import.meta.url)),
  // The page lies below a token where there is one.
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    target: 'es2022',
    emptyOutDir: true,
    // Nothing inline: the page's own policy forbids it.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
  plugins: [licences()],
  logLevel: 'warn',
});
