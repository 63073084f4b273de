// How fast the dashboard's page is with 1,000 runs, and with one of 600 epochs of 400 steps: npx tsx bench/dashboard/dashboard.ts
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { formatTable } from '../../src/cli/format.ts';
import { openDashboard } from '../../src/dashboard/dashboard.ts';
import { noBrowser, openBrowser } from '../../test/helpers/browser.ts';
import { makeRun } from '../../test/helpers/made_run.ts';

const [runs, epochs, steps, rounds] = [1000, 600, 400, 5];

/** Sets `ready` to the milliseconds since the navigation began, as of the frame in which something holds. */
const watchFor = (holds: string) => `
  requestAnimationFrame(function look() {
    if (document.body && (${holds})) window.ready = performance.now();
    else requestAnimationFrame(look);
  });`;

const listIsThere = `document.querySelectorAll('.runs tbody tr').length >= 60 && document.querySelector('.bar [role=status]').textContent === '${runs} runs'`;
/** As far as it has been read: a long journal comes bit by bit. */
const runBegins = `document.querySelector('.cells svg') && document.querySelectorAll('.chart canvas').length >= 5 && document.querySelector('.stack canvas')`;

const runIsThere = `document.querySelector('.player output')?.textContent === 'after epoch ${epochs}' && ${runBegins}`;

/** Moves the slider one epoch a frame, over all of them; gives the milliseconds between frames. */
const slide = `new Promise((resolve) => {
  const slider = document.querySelector('.player input');
  const frames = [];
  let last = performance.now();
  let at = 0;
  requestAnimationFrame(function next(now) {
    if (at > 0) frames.push(now - last);
    last = now;
    if (at > ${epochs}) return resolve(frames);
    slider.value = String(at++);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    requestAnimationFrame(next);
  });
})`;

/** Types into the filter; gives the milliseconds until the frame behind each letter. */
const type = `(async () => {
  const input = document.querySelector('.bar input');
  const took = [];
  for (const text of ['r', 'ru', 'run', 'run-', 'run-0', 'run-01', 'run-', 'run', 'r', '']) {
    const began = performance.now();
    input.value = text;
    input.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    took.push(performance.now() - began);
  }
  return took;
})()`;

if (noBrowser !== undefined) throw new Error(noBrowser);
const folder = mkdtempSync(join(tmpdir(), 'dartsmith-dashboard-'));
const browser = await openBrowser();
try {
  makeRun(join(folder, 'long'), { epochs, steps });
  for (let i = 1; i < runs; i++) {
    makeRun(join(folder, `run-${String(i).padStart(4, '0')}`), { epochs: 5, steps: 10, seed: i, finished: i % 7 > 0 });
  }
  const rows = [
    await measured('list, server just started', () => ready('', listIsThere, true)),
    await measured('list', () => ready('', listIsThere, false)),
    await measured('long run, server just started: its beginning', () => ready('#/run/long', runBegins, true)),
    await measured('long run, server just started: all of it', () => ready('#/run/long', runIsThere, true)),
    await measured('long run', () => ready('#/run/long', runIsThere, false)),
    ['filter: a letter until it is shown', ...figures(await within('', listIsThere, type))],
    ['slider: a frame', ...figures(await within('#/run/long', runIsThere, slide))],
  ];
  console.log(`${runs} runs; one of ${epochs} epochs of ${steps} steps; ${browser.version()}, headless, without a GPU`);
  console.log(formatTable([['milliseconds', 'median', '95%', 'most'], ...rows], [1, 2, 3]).join('\n'));
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}

async function measured(name: string, once: () => Promise<number>): Promise<string[]> {
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) values.push(await once());
  return [name, ...figures(values)];
}

/** Milliseconds from the navigation to the frame that shows it all, of a server that has read everything or nothing yet. */
async function ready(hash: string, holds: string, isCold: boolean): Promise<number> {
  const dashboard = await openDashboard(folder, { port: 0 });
  try {
    if (!isCold) await opened(browser, `${dashboard.address}${hash}`, holds);
    return (await opened(browser, `${dashboard.address}${hash}`, holds)).millis;
  } finally {
    await dashboard.close();
  }
}

/** What a script gives on a page that is ready. */
async function within(hash: string, holds: string, script: string): Promise<number[]> {
  const dashboard = await openDashboard(folder, { port: 0 });
  try {
    const { result } = await opened(browser, `${dashboard.address}${hash}`, holds, script);
    return result as number[];
  } finally {
    await dashboard.close();
  }
}

async function opened(from: Browser, address: string, holds: string, script?: string) {
  const context = await from.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  try {
    await page.addInitScript(watchFor(holds));
    await page.goto(address);
    let millis: unknown;
    while (millis === undefined) {
      await page.waitForTimeout(50);
      millis = await page.evaluate('window.ready');
    }
    return { millis: millis as number, result: script === undefined ? undefined : await page.evaluate(script) };
  } finally {
    await context.close();
  }
}

function figures(values: readonly number[]): string[] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(1);
  return [at(0.5), at(0.95), at(1)];
}
