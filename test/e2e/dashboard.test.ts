// The dashboard in a browser, as its readers see it: every page, live, by keyboard, small and dark, with runs that mean no good.
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Dashboard, openDashboard } from '../../src/dashboard/dashboard.ts';
import { noBrowser, openBrowser } from '../helpers/browser.ts';
import { makeRun } from '../helpers/made_run.ts';
import { scratch } from '../helpers/scratch.ts';

if (noBrowser !== undefined) console.log(`test/e2e/dashboard.test.ts ${noBrowser}`);

const evil = '<img src=x onerror="window.hacked=1">';
/** What has the focus, and whether that is seen. */
const focused = `(() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  return { tag: document.activeElement.tagName, seen: outlineStyle !== 'none' && outlineWidth !== '0px' };
})()`;

const decision = (node: number) => ({
  ...{ type: 'decision', epoch: 0, stage: 0 },
  decision: {
    ...{
      told: `edge of node ${node}: skip_connect`,
      cell: 'normal',
      row: node,
      node,
      input: 0,
      chosen: 'skip_connect',
    },
    candidates: ['none', 'skip_connect'],
    scores: [
      { accuracy: 0.5, loss: 1 },
      { accuracy: 0.25, loss: 2 },
    ],
  },
});

describe.skipIf(noBrowser !== undefined)('the page', () => {
  let browser: Browser;
  let folder: string;
  let dashboard: Dashboard;
  /** What a page complained of: errors, what its policy refused. */
  const complaints: string[] = [];
  const pages: Page[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dartsmith-page-'));
    makeRun(join(folder, 'first'), { epochs: 12, steps: 4, seed: 1 });
    makeRun(join(folder, 'second'), { epochs: 12, steps: 4, seed: 2, settings: { batchSize: 77 } });
    makeRun(join(folder, 'going'), { epochs: 3, steps: 4, seed: 3, finished: false });
    makeSelection(join(folder, 'selected'));
    browser = await openBrowser();
    dashboard = await openDashboard(folder, { port: 0, lookMillis: 50 });
  });
  afterAll(async () => {
    await browser?.close();
    await dashboard?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.context().close();
    expect(complaints.splice(0)).toEqual([]);
  });

  async function open(hash = '', options: BrowserContextOptions = {}, address = dashboard.address): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
    const page = await context.newPage();
    pages.push(page);
    page.setDefaultTimeout(30_000);
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('request', (request) => {
      if (new URL(request.url()).host !== new URL(address).host) complaints.push(`asked for ${request.url()}`);
    });
    await page.goto(`${address}${hash}`);
    return page;
  }

  const names = (page: Page) => page.locator('.runs tbody .name a').allTextContents();
  const text = (page: Page, selector: string) => page.locator(selector).first().textContent();
  const fits = async (page: Page) =>
    expect(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')).toBe(0);

  it('lists runs, filters and sorts them, and keeps that in its address', async () => {
    const page = await open();
    await page.locator('.runs tbody tr').nth(3).waitFor();
    expect((await names(page)).sort()).toEqual(['first', 'going', 'second', 'selected']);
    const row = page.locator('.runs tbody tr', { hasText: 'first' });
    expect(await row.textContent()).toMatch(/finished.*epoch 12\/12.*search darts.*mnist.*%.*2026-01-0/);
    await page.keyboard.press('/');
    await page.keyboard.type('darts going');
    await expect.poll(() => names(page)).toEqual(['going']);
    expect(page.url()).toContain('#/?filter=darts+going');
    await page.reload();
    await page.locator('.runs tbody tr').first().waitFor();
    expect(await names(page)).toEqual(['going']);
    await page.getByLabel('filter runs').fill('');
    await page.locator('th.name a').click();
    expect(await names(page)).toEqual(['first', 'going', 'second', 'selected']);
    await page.locator('th.name a').click();
    await page.locator('th[aria-sort=descending].name').waitFor();
    expect(await names(page)).toEqual(['selected', 'second', 'going', 'first']);
  });

  it('shows a run: cells by epoch, weights, curves, settings, log', async () => {
    const page = await open('#/run/first');
    const cells = page.locator('.cells svg');
    await cells.waitFor();
    expect(await text(page, '.player output')).toBe('after epoch 12');
    const last = await cells.evaluate((svg) => svg.outerHTML);
    await page.getByLabel('epoch', { exact: true }).fill('1');
    expect(await text(page, '.player output')).toBe('after epoch 1');
    expect(await cells.evaluate((svg) => svg.outerHTML)).not.toBe(last);
    await page.waitForURL(/epoch=1$/);
    expect(await page.locator('.chart').count()).toBeGreaterThan(4);
    expect(await text(page, '#settings')).toContain('batchSize');
    expect(await text(page, '#log')).toContain('the search begins on cpu');
    await page.getByLabel('weights of the').selectOption('reduce');
    await page.waitForURL(/cell=reduce/);
    // As the address says, again.
    await page.reload();
    await cells.waitFor();
    expect(await text(page, '.player output')).toBe('after epoch 1');
    expect(await page.getByLabel('weights of the').inputValue()).toBe('reduce');
  });

  it('is led by the keyboard: space plays, arrows step, the heat map tells its values', async () => {
    const page = await open('#/run/first?epoch=3');
    await page.locator('.cells svg').waitFor();
    await page.keyboard.press('ArrowRight');
    expect(await text(page, '.player output')).toBe('after epoch 4');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    expect(await text(page, '.player output')).toBe('after epoch 2');
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'pause' }).waitFor();
    await page.locator('.player output', { hasText: 'after epoch 12' }).waitFor();
    await page.getByRole('button', { name: 'play' }).waitFor();
    const map = page.getByLabel('weights; arrow keys');
    await map.focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowLeft');
    expect(await text(page, '.readout')).toMatch(/^after epoch 11, cₖ₋₂ → 0, max_pool_3x3: 0\.\d+ \(alpha -?\d/);
    // Everything is reached, and shows that it is.
    await page.locator('body').click({ position: { x: 2, y: 2 } });
    const reached = new Set<string>();
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press('Tab');
      const found = (await page.evaluate(focused)) as { readonly tag: string; readonly seen: boolean };
      if (found.tag === 'BODY') break;
      expect(found.seen, found.tag).toBe(true);
      reached.add(found.tag);
    }
    expect([...reached].sort()).toEqual(expect.arrayContaining(['A', 'BUTTON', 'CANVAS', 'DIV', 'INPUT', 'SELECT']));
  });

  it('tells the value under the pointer, and a click there leads the slider', async () => {
    const page = await open('#/run/first');
    const map = page.getByLabel('weights; arrow keys');
    await map.waitFor();
    const box = (await map.boundingBox())!;
    await map.click({ position: { x: 170, y: 10 } });
    expect(await text(page, '.player output')).toBe('before the first step');
    expect(await text(page, '.cells')).toBe('No cell has been chosen yet.');
    await map.hover({ position: { x: box.width - 20, y: 10 } });
    expect(await text(page, '.readout')).toMatch(/^after epoch 12, cₖ₋₂ → 0, none: 0\.\d+/);
  });

  it('shows the decisions and scores of a selection', async () => {
    const page = await open('#/run/selected');
    await page.locator('#scores .tried').first().waitFor();
    expect(await page.locator('#scores .decided').allTextContents()).toEqual([
      'skip_connect25.0 %kept',
      'skip_connect25.0 %kept',
    ]);
    expect(await text(page, '#decisions')).toContain('edge of node 1: skip_connect');
  });

  it('lays runs side by side', async () => {
    const page = await open();
    await page.getByLabel('compare first').check();
    await page.getByLabel('compare second').check();
    await page.getByRole('link', { name: 'compare 2 runs' }).click();
    await page.waitForURL(/#\/compare\?run=first&run=second$/);
    await page.locator('.final .cells svg').nth(1).waitFor();
    expect(await page.locator('.chart .u-legend').first().textContent()).toMatch(/first.*second/);
    const rows = await page.locator('.differences tbody tr').allTextContents();
    expect(rows).toEqual(['seed12', expect.stringMatching(/^batchSize\d+77$/)]);
    await page.goto(`${dashboard.address}#/compare?run=first&run=nobody`);
    await page.getByText('Not there, or not read yet: nobody').waitFor();
  });

  it('follows runs while they go on', async () => {
    const list = await open();
    const page = await open('#/run/going');
    await page.locator('.cells svg').waitFor();
    expect(await text(page, '.player output')).toBe('after epoch 3');
    expect(await page.locator('header .state').textContent()).toContain('interrupted');
    const journal = join(folder, 'going/journal.jsonl');
    const lines = makeRun(join(scratch(), 'more'), { epochs: 5, steps: 4, seed: 3 });
    // Torn at first, as it may be seen while it is written.
    const more = lines
      .slice(-16)
      .map((line) => `${line}\n`)
      .join('');
    appendFileSync(journal, more.slice(0, 50));
    appendFileSync(journal, more.slice(50));
    await page.locator('.player output', { hasText: 'after epoch 5' }).waitFor();
    await page.locator('header .state.finished').waitFor();
    await list.locator('tr', { hasText: 'going' }).locator('.state.finished').waitFor();
    const before = await names(list);
    makeRun(join(folder, 'new'), { epochs: 1, steps: 1 });
    await list.getByRole('link', { name: 'new', exact: true }).waitFor();
    rmSync(join(folder, 'new'), { recursive: true });
    await expect.poll(() => names(list)).toEqual(before);
  });

  it('says that the server has gone, and goes on when it is back', async () => {
    const own = scratch();
    makeRun(join(own, 'run'), { epochs: 1, steps: 1 });
    const first = await openDashboard(own, { port: 0, lookMillis: 50 });
    const page = await open('', {}, first.address);
    await page.locator('.link.live').waitFor();
    await first.close();
    await page.getByText('not connected').waitFor();
    const again = await openDashboard(own, { port: Number(new URL(first.address).port), lookMillis: 50 });
    await page.locator('.link.live').waitFor();
    expect(await names(page)).toEqual(['run']);
    await page.context().close();
    await again.close();
    complaints.splice(0);
  });

  it('takes all that a run says for text', async () => {
    const own = scratch();
    const bad = { epochs: 2, steps: 2, notices: [evil, '<script>window.hacked=1</script>'] };
    const lines = makeRun(join(own, 'plain'), { ...bad, settings: { [evil]: evil, __proto__: 1 } }).map((line) =>
      // Names of measures, datasets and operations too.
      line.replaceAll('"mnist"', JSON.stringify(evil)).replaceAll('"trainLoss"', JSON.stringify(evil)),
    );
    writeFileSync(join(own, 'plain/journal.jsonl'), `${lines.join('\n')}\n{"torn`);
    writeFileSync(join(own, 'plain/config.json'), `{"format":99}`);
    renameSync(join(own, 'plain'), join(own, '<img src=x onerror=alert(1)> &amp; "q"'));
    makeRun(join(own, '__proto__'), bad);
    makeRun(join(own, '..%2f..'), bad);
    const server = await openDashboard(own, { port: 0, lookMillis: 50 });
    try {
      const page = await open('', {}, server.address);
      await page.locator('.runs tbody tr').nth(2).waitFor();
      expect((await names(page)).sort()).toEqual(['..%2f..', '<img src=x onerror=alert(1)> &amp; "q"', '__proto__']);
      for (const name of await names(page)) {
        await page.goto(`${server.address}#/`);
        await page.getByRole('link', { name, exact: true }).click();
        await page.locator('.log li').first().waitFor();
        expect(await text(page, 'h1')).toBe(name);
        expect(await text(page, '.log')).toContain(evil);
        expect(await page.locator('img, main script, iframe').count()).toBe(0);
      }
      await page.goto(`${server.address}#/compare?run=${encodeURIComponent(evil)}&run=__proto__`);
      await page.locator('.compared li').first().waitFor();
      expect(await page.evaluate('window.hacked')).toBeUndefined();
    } finally {
      await server.close();
    }
    // The lost connection.
    complaints.splice(0);
  });

  it('draws what a genotype calls its operations as text', async () => {
    const page = await open('#/run/first');
    await page.locator('.cells svg').waitFor();
    expect(
      await page
        .locator('.cells svg')
        .evaluate((svg) => svg.querySelectorAll('script, image, foreignObject, a').length),
    ).toBe(0);
  });

  it('is shown to others by its token alone', async () => {
    const server = await openDashboard(folder, { host: '0.0.0.0', port: 0, lookMillis: 50 });
    const { port, pathname } = new URL(server.address);
    const page = await open('#/run/first', {}, `http://127.0.0.1:${port}${pathname}`);
    await page.locator('.cells svg').waitFor();
    await page.context().close();
    const refused = await open('', {}, `http://127.0.0.1:${port}/`);
    expect(await refused.textContent('body')).toContain('this address is not served');
    await refused.context().close();
    await server.close();
    complaints.splice(0);
  });

  it.each(['#/', '#/run/first', '#/run/selected', '#/compare?run=first&run=second'])(
    'fits a phone: %s',
    async (hash) => {
      const page = await open(hash, { viewport: { width: 360, height: 780 } });
      await page.locator('.runs tr, .chart canvas').nth(2).waitFor();
      await fits(page);
    },
  );

  it('is light and dark, as the system is or the reader wants', async () => {
    const page = await open('#/run/first', { colorScheme: 'dark' });
    await page.locator('.cells svg').waitFor();
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const dark = await ground();
    expect(dark).toBe('rgb(16, 19, 23)');
    await page.getByLabel('theme').selectOption('light');
    expect(await ground()).toBe('rgb(246, 247, 249)');
    await page.reload();
    expect(await ground()).toBe('rgb(246, 247, 249)');
    await page.getByLabel('theme').selectOption('system');
    expect(await ground()).toBe(dark);
  });

  it('says so where there is no run, or none of that name', async () => {
    const server = await openDashboard(scratch(), { port: 0, lookMillis: 50 });
    const page = await open('', {}, server.address);
    await page.getByText('There is no run yet').waitFor();
    await page.goto(`${server.address}#/run/${encodeURIComponent('../../etc')}`);
    await page.getByText('There is no run ../../etc in this folder').waitFor();
    await page.context().close();
    await server.close();
    complaints.splice(0);
  });
});

/** A selection whose decisions have scores. */
function makeSelection(directory: string): void {
  const lines = makeRun(directory, { epochs: 1, steps: 2, settings: { projCrit: 'acc' } });
  const start = { ...JSON.parse(lines[0]), run: 'select', method: 'projection' };
  const told = [start, decision(0), decision(1)].map((record) => JSON.stringify(record));
  writeFileSync(join(directory, 'journal.jsonl'), [...told, ...lines.slice(1), ''].join('\n'));
}
