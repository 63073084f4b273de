// Chromium for tests of pages: Debian's, driven by playwright-core.
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const path = '/usr/bin/chromium';

/** Why tests in a browser are skipped; undefined where there is one. */
export const noBrowser = existsSync(path) ? undefined : `skipped: there is no ${path} (apt-get install chromium)`;

/** A browser without a screen that looks for nothing but what a test tells it to. */
export function openBrowser(): Promise<Browser> {
  const quiet = ['quic', 'background-networking', 'component-update', 'sync', 'gpu'].map((name) => `--disable-${name}`);
  return chromium.launch({ executablePath: path, args: ['--no-sandbox', '--no-first-run', ...quiet] });
}
