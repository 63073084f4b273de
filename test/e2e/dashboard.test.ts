// The dashboard in a browser, as its readers see it: every page, live, by keyboard, small and dark, with runs that mean no good.
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Dashboard, type DashboardOptions, openDashboard } from '../../src/dashboard/dashboard.ts';
import type { Shown } from '../../src/dashboard/shown.ts';
import type { RunView } from '../../src/report/run_view.ts';
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
  const servers: Dashboard[] = [];

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
    // Pages first: a lost connection is nothing to complain of.
    for (const page of pages.splice(0)) await page.context().close();
    for (const server of servers.splice(0)) await server.close();
    expect(complaints.splice(0)).toEqual([]);
  });

  /** Another server. */
  async function serve(runs: string, options: DashboardOptions = {}): Promise<Dashboard> {
    const server = await openDashboard(runs, { port: 0, lookMillis: 50, ...options });
    servers.push(server);
    return server;
  }

  async function newPage(options: BrowserContextOptions = {}, address = dashboard.address): Promise<Page> {
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
    return page;
  }

  async function open(hash = '', options: BrowserContextOptions = {}, address = dashboard.address): Promise<Page> {
    const page = await newPage(options, address);
    await page.goto(`${address}${hash}`);
    return page;
  }

  /** A page that is told of these runs, whatever the server would say. */
  async function openTold(hash: string, views: readonly RunView[], over: Partial<Shown> = {}, options = {}) {
    const page = await newPage(options);
    const byName = Object.fromEntries(views.map((view) => [view.name, view]));
    const shown: Shown = { folder, runs: byName, views: byName, ...over };
    const body = `retry: 60000\ndata: ${JSON.stringify({ set: shown })}\n\n`;
    await page.route('**/events*', (route) => route.fulfill({ contentType: 'text/event-stream', body }));
    await page.goto(`${dashboard.address}${hash}`);
    return page;
  }

  /** The run `first`, as the page is told of it. */
  const firstView = async () => (await (await fetch(`${dashboard.address}api/run?name=first`)).json()) as RunView;

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
    expect(await text(page, '#result')).toContain('validationAccuracy90.0%');
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
      'skip_connect25.0%kept',
      'skip_connect25.0%kept',
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
    await serve(own, { port: Number(new URL(first.address).port) });
    await page.locator('.link.live').waitFor();
    expect(await names(page)).toEqual(['run']);
    expect(complaints.splice(0).filter((text) => !text.includes('net::ERR_'))).toEqual([]);
  });

  it('comes back to a server that had no room for it', async () => {
    const page = await newPage();
    await page.route('**/events*', (route) => route.fulfill({ status: 503 }), { times: 1 });
    await page.goto(dashboard.address);
    await page.locator('.link.live').waitFor();
    expect(complaints.splice(0)).toEqual([expect.stringContaining('503')]);
  });

  it('takes all that a run says for text', async () => {
    const own = scratch();
    // Short enough to be written in full.
    const operation = '<img src=x onerror=1>';
    const bad = { epochs: 2, steps: 2, notices: [evil, '<script>window.hacked=1</script>'] };
    const lines = makeRun(join(own, 'plain'), { ...bad, settings: { [evil]: evil, ['__proto__']: 'mine' } }).map(
      // Names of measures, datasets and operations too.
      (line) => line.replaceAll(/"(mnist|trainLoss)"/g, JSON.stringify(evil)).replaceAll('sep_conv_5x5', operation),
    );
    writeFileSync(join(own, 'plain/journal.jsonl'), `${lines.join('\n')}\n{"torn`);
    writeFileSync(join(own, 'plain/config.json'), `{"format":99}`);
    renameSync(join(own, 'plain'), join(own, '<img src=x onerror=alert(1)> &amp; "q"'));
    makeRun(join(own, '__proto__'), bad);
    makeRun(join(own, '..%2f..'), bad);
    const { address } = await serve(own);
    const page = await open('', {}, address);
    await page.locator('.runs tbody tr').nth(2).waitFor();
    const hostile = '<img src=x onerror=alert(1)> &amp; "q"';
    expect((await names(page)).sort()).toEqual(['..%2f..', hostile, '__proto__']);
    for (const name of await names(page)) {
      await page.goto(`${address}#/`);
      await page.getByRole('link', { name, exact: true }).click();
      await page.locator('.log li').first().waitFor();
      expect(await text(page, 'h1')).toBe(name);
      expect(await text(page, '.log')).toContain(evil);
      expect(await page.locator('img, main script, iframe').count()).toBe(0);
      if (name !== hostile) continue;
      expect(await page.locator('#settings dt').allTextContents()).toEqual(expect.arrayContaining([evil, '__proto__']));
      const cells = page.locator('.cells svg');
      expect(await cells.textContent()).toContain(operation);
      expect(await page.locator('.stack canvas').count()).toBe(2);
      expect(await cells.locator('script, image, img, foreignObject, a').count()).toBe(0);
    }
    await page.goto(`${address}#/compare?run=${encodeURIComponent(hostile)}&run=__proto__`);
    await page.locator('.compared li').nth(1).waitFor();
    expect(await page.locator('.final .cells svg').first().textContent()).toContain(operation);
    expect(await page.evaluate('window.hacked')).toBeUndefined();
  });

  it('shows a run whose records are of other types than they should be, and the others beside it', async () => {
    const own = scratch();
    makeRun(join(own, 'good'), { epochs: 1, steps: 1 });
    makeRun(join(own, 'types'), { epochs: 1, steps: 1 });
    const records = [
      '{"type":"start","epoch":0,"settings":3,"run":[],"method":{},"notices":"x"}',
      '{"type":"step","epoch":0,"loss":1}',
    ];
    writeFileSync(join(own, 'types/journal.jsonl'), `${records.join('\n')}\n`);
    const page = await open('', {}, (await serve(own)).address);
    await page.locator('.runs tbody tr').nth(1).waitFor();
    expect((await names(page)).sort()).toEqual(['good', 'types']);
    await page.getByRole('link', { name: 'types', exact: true }).click();
    await page.locator('#curves .chart canvas').waitFor();
    expect(await text(page, 'h1')).toBe('types');
  });

  it('says what cannot be shown, and shows the rest', async () => {
    const view = await firstView();
    const bad = { ...view, name: 'bad', method: { toString: 1 } as unknown as string };
    const page = await openTold('', [view, bad]);
    await page.getByText('This cannot be shown: TypeError').waitFor();
    await page.goto(`${dashboard.address}#/run/first`);
    await page.locator('.cells svg').waitFor();
    expect(await page.getByText('cannot be shown').count()).toBe(0);
  });

  it('tells what is wrong by the list and by the whole journal, and the stage once that has been read', async () => {
    const whole = { ...(await firstView()), problems: ['config', 'in the middle'] };
    const progress = { epoch: 2, epochs: 12, step: 0, steps: 4 };
    const view: RunView = { ...whole, progress: { ...progress, stage: 'second' } };
    const runs = { first: { ...whole, problems: ['config', 'at the end'], progress: { ...progress, epoch: 3 } } };
    const page = await openTold('#/run/first', [view], { runs });
    await page.locator('ul.problem li').first().waitFor();
    expect(await page.locator('ul.problem li').allTextContents()).toEqual(['config', 'at the end', 'in the middle']);
    expect(await text(page, 'header .progress .quiet')).toBe('second: epoch 2/12');
    const { changed: _, ...partly } = view;
    const early = await openTold('#/run/first', [partly], { runs });
    expect(await text(early, 'header .progress .quiet')).toBe('epoch 3/12');
  });

  it('goes to another stage with fewer epochs while the pointer rests on the heat map', async () => {
    const view = await firstView();
    const [stage] = view.stages;
    const history = { ...stage.history!, entries: stage.history!.entries.slice(0, 3) };
    const second = { ...stage, name: 'second', history, genotypes: stage.genotypes.slice(0, 2) };
    const page = await openTold('#/run/first?stage=0&epoch=12', [{ ...view, stages: [stage, second] }]);
    const map = page.getByLabel('weights; arrow keys');
    const { width } = (await map.boundingBox())!;
    await map.hover({ position: { x: width - 20, y: 10 } });
    expect(await text(page, '.readout')).toMatch(/^after epoch 12, .*: 0/);
    await page.keyboard.press('ArrowRight');
    await page.locator('.player output', { hasText: 'second: before the first step' }).waitFor();
    expect(await text(page, '.readout')).toMatch(/^after epoch 2, .*: 0/);
  });

  it('follows its address to another epoch and cell', async () => {
    const page = await open('#/run/first?epoch=3');
    await page.locator('.cells svg').waitFor();
    await page.keyboard.press('ArrowRight');
    await page.waitForURL(/epoch=4$/);
    for (const epoch of [9, 3]) {
      await page.goto(`${dashboard.address}#/run/first?stage=0&epoch=${epoch}&cell=reduce`);
      await page.locator('.player output', { hasText: `after epoch ${epoch}` }).waitFor();
      expect(await page.getByLabel('weights of the').inputValue()).toBe('reduce');
    }
  });

  it('draws a line a measure and a run, with ends of lines in their names', async () => {
    const view = await firstView();
    const [one, ...others] = view.series.filter(({ of, unit }) => of === 'epoch' && unit === 'loss');
    const series = [{ ...one, title: 'train\nLoss' }, ...others];
    const renamed = { ...view, name: 'a\nb', series };
    const page = await openTold('#/run/a%0Ab', [renamed, { ...view, series }]);
    await page.locator('.chart .u-legend').waitFor();
    expect(await page.locator('.chart .u-legend .u-series').count()).toBe(series.length + 1);
    await page.goto(`${dashboard.address}#/compare?run=a%0Ab&run=first`);
    await page.locator('.compared').waitFor();
    expect(await page.locator('.chart').first().locator('.u-legend .u-series').count()).toBe(3);
  });

  it('draws a heat map of very many candidates on a sharp screen', async () => {
    const view = await firstView();
    const [stage] = view.stages;
    const candidates = Array.from({ length: 12 }, (_, i) => `operation_${i}`);
    const rows = Array.from({ length: 100 }, (_, i) => ({ node: i, input: 0, candidates }));
    const layout = { ...stage.history!.layout, nodes: 100, tables: { normal: { name: 'n', rows } } };
    const entries = [0, 1].map((epoch) => ({ epoch, mixing: { n: rows.map(() => candidates.map((_, i) => i / 12)) } }));
    const large = { ...stage, history: { ...stage.history!, layout, entries } };
    const page = await openTold('#/run/first', [{ ...view, stages: [large] }], {}, { deviceScaleFactor: 3 });
    await page.locator('.stack canvas').first().waitFor();
    const drawn = `(() => {
      const canvas = document.querySelector('.stack canvas');
      const { width, height } = canvas;
      return { width, height, opacity: canvas.getContext('2d').getImageData(width - 2, height - 2, 1, 1).data[3] };
    })()`;
    const { width, height, opacity } = (await page.evaluate(drawn)) as Record<'width' | 'height' | 'opacity', number>;
    expect(opacity).toBe(255);
    // What browsers of phones draw.
    expect(Math.max(width, height)).toBeLessThanOrEqual(2 ** 14);
    expect(width * height).toBeLessThanOrEqual(2 ** 24);
  });

  it('proposes runs of the same command to compare with first, and compares eight at most', async () => {
    const view = await firstView();
    const commands = ['train', 'search', 'train', 'search'];
    const views = commands.map((command, i) => ({ ...view, name: `r${i}`, command }));
    const page = await openTold('#/run/r1', views);
    await page.locator('datalist option').first().waitFor({ state: 'attached' });
    const others = await page
      .locator('datalist option')
      .evaluateAll((all) => all.map((one) => one.getAttribute('value')));
    expect(others).toEqual(['r3', 'r0', 'r2']);
    const many = Array.from({ length: 20 }, (_, i) => `run=r${i}`).join('&');
    await page.goto(`${dashboard.address}#/compare?${many}`);
    await page.getByRole('heading', { name: '8 runs side by side' }).waitFor();
  });

  it('is shown to others by its token alone', async () => {
    const { port, pathname } = new URL((await serve(folder, { host: '0.0.0.0' })).address);
    const page = await open('#/run/first', {}, `http://127.0.0.1:${port}${pathname}`);
    await page.locator('.cells svg').waitFor();
    expect(complaints).toEqual([]);
    const refused = await open('', {}, `http://127.0.0.1:${port}/`);
    expect(await refused.textContent('body')).toContain('this address is not served');
    // What the browser has to say of it may come later than what it shows.
    await refused.context().close();
    expect(complaints.splice(0).filter((told) => !told.includes('403'))).toEqual([]);
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
    const { address } = await serve(scratch());
    const page = await open('', {}, address);
    await page.getByText('There is no run yet').waitFor();
    await page.goto(`${address}#/run/${encodeURIComponent('../../etc')}`);
    await page.getByText('There is no run ../../etc in this folder').waitFor();
  });
});

/** A selection whose decisions have scores. */
function makeSelection(directory: string): void {
  const lines = makeRun(directory, { epochs: 1, steps: 2, settings: { projCrit: 'acc' } });
  const start = { ...JSON.parse(lines[0]), run: 'select', method: 'projection' };
  const told = [start, decision(0), decision(1)].map((record) => JSON.stringify(record));
  writeFileSync(join(directory, 'journal.jsonl'), [...told, ...lines.slice(1), ''].join('\n'));
}
