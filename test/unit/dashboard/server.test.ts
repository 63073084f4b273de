// What the dashboard's server answers, to whom, and what it tells while runs go on.

import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Change, changed } from '../../../src/dashboard/changes.ts';
import { type Dashboard, type DashboardOptions, openDashboard } from '../../../src/dashboard/dashboard.ts';
import type { Shown } from '../../../src/dashboard/shown.ts';
import { ArgumentError, FileError } from '../../../src/errors.ts';
import { get } from '../../helpers/get.ts';
import { journalOf, makeRun } from '../../helpers/made_run.ts';
import { makePipe } from '../../helpers/pipe.ts';
import { cli, root, runProcess } from '../../helpers/process.ts';
import { scratch } from '../../helpers/scratch.ts';

const open: Dashboard[] = [];
afterEach(async () => {
  for (const dashboard of open.splice(0)) await dashboard.close();
});

async function serve(folder: string, options: DashboardOptions = {}): Promise<Dashboard> {
  const dashboard = await openDashboard(folder, { port: 0, lookMillis: 20, ...options });
  open.push(dashboard);
  return dashboard;
}

const small = { epochs: 2, steps: 3 };

describe('the server', () => {
  it('answers with the page, its files, runs and a run', async () => {
    const folder = scratch();
    makeRun(join(folder, 'a'), small);
    makeRun(join(folder, 'deep/er/b'), small);
    const { address, runs } = await serve(folder);
    expect(runs).toBe(2);
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    const page = await get(address, '/');
    expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } });
    for (const [, path] of page.body.matchAll(/(?:src|href)="\.(\/[^"]+)"/g)) {
      expect(await get(address, path), path).toMatchObject({ status: 200 });
    }
    const list = JSON.parse((await get(address, '/api/runs')).body);
    expect(list.folder).toBe(folder);
    expect(Object.keys(list.runs)).toEqual(['a', 'deep/er/b']);
    expect(list.runs.a).toMatchObject({ state: 'finished', method: 'darts', dataset: 'mnist', problems: [] });
    const run = JSON.parse((await get(address, '/api/run?name=deep%2Fer%2Fb')).body);
    expect(run).toMatchObject({
      name: 'deep/er/b',
      title: 'DARTS',
      stages: [{ genotypes: [{ epoch: 1 }, { epoch: 2 }] }],
    });
  });

  it('lets a browser run, load and frame nothing but its own', async () => {
    const { address } = await serve(scratch());
    const page = await get(address, '/');
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).not.toMatch(/unsafe|https?:|\*|data:/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(page.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    expect(page.body).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\son\w+=|style=|https?:\/\//);
  });

  it('answers GET alone, and nothing that it does not serve', async () => {
    const { address } = await serve(scratch());
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD']) {
      expect(await get(address, '/', { method }), method).toMatchObject({ status: 405, headers: { allow: 'GET' } });
    }
    for (const path of ['/nothing', '/assets', '/assets/', '/index.html/', '/api', '/api/run', '/api/run?name=x']) {
      expect(await get(address, path), path).toMatchObject({ status: 404 });
    }
  });

  it('serves no file by any path: names are looked up, never followed', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'secret.txt'), 'secret');
    makeRun(join(folder, 'runs/a'), small);
    const { address } = await serve(join(folder, 'runs'));
    const ways = [
      ...['/../secret.txt', '/assets/../../secret.txt', '/..%2fsecret.txt', '/%2e%2e/secret.txt', '//secret.txt'],
      ...['/a/config.json', '/a/journal.jsonl', '/runs/a/journal.jsonl', `/${join(folder, 'secret.txt')}`],
      ...['/api/run?name=../secret.txt', '/api/run?name=..', '/api/run?name=%2e%2e%2f', '/api/run?name=a/../a'],
      ...[
        `/api/run?name=${encodeURIComponent(join(folder, 'runs/a'))}`,
        '/api/run?name=__proto__',
        '/\\..\\secret.txt',
      ],
      ...['/api/run?name=a%00', '/%', '/?%', '/api/run?name=%'],
    ];
    for (const path of ways) {
      const { status, body } = await get(address, path);
      expect(body, path).not.toContain('secret');
      expect(path === '/?%' ? 404 : status, path).toBe(404);
    }
  });

  it('answers nobody who came by another name or from another site', async () => {
    const { address } = await serve(scratch());
    const from = (headers: Record<string, string>) => get(address, '/api/runs', { headers });
    for (const host of [
      'evil.example',
      'evil.example:7007',
      '127.0.0.1.evil.example',
      'localhost.evil:1',
      '[::1',
      'a b',
    ])
      expect(await from({ host }), host).toMatchObject({ status: 403 });
    for (const host of ['localhost', 'localhost:8080', '127.0.0.1:9', '[::1]:7007', '192.168.0.7:7007', hostname()])
      expect(await from({ host }), host).toMatchObject({ status: 200 });
    expect(await from({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).toMatchObject({ status: 403 });
    expect(await from({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).toMatchObject({ status: 200 });
  });

  it('serves no run that a link has taken the place of since it was found', async () => {
    const folder = scratch();
    for (const name of ['outside', 'runs/a', 'runs/b/c', 'runs/d'])
      makeRun(join(folder, name), { ...small, settings: { place: name } });
    const { address } = await serve(join(folder, 'runs'));
    const asked = (name: string) => get(address, `/api/run?name=${encodeURIComponent(name)}`);
    for (const name of ['a', 'b/c', 'd']) expect((await asked(name)).body).toContain(`"place":"runs/${name}"`);
    rmSync(join(folder, 'runs/a'), { recursive: true });
    symlinkSync(join(folder, 'outside'), join(folder, 'runs/a'));
    renameSync(join(folder, 'runs/b'), join(folder, 'b'));
    symlinkSync(join(folder, 'b'), join(folder, 'runs/b'));
    rmSync(join(folder, 'runs/d/journal.jsonl'));
    symlinkSync(join(folder, 'outside/journal.jsonl'), join(folder, 'runs/d/journal.jsonl'));
    for (const name of ['a', 'b/c', 'd']) expect(await asked(name), name).toMatchObject({ status: 404 });
  });

  it('finds a run that has only just begun', async () => {
    const folder = scratch();
    const { address } = await serve(folder, { lookMillis: 60_000 });
    makeRun(join(folder, 'a'), small);
    expect(await get(address, '/api/run?name=a')).toMatchObject({ status: 200 });
  });

  it.skipIf(process.platform === 'win32')('waits for nobody to write to pipes, and ends', async () => {
    const folder = scratch();
    for (const name of ['config.json', 'lock.json']) {
      makeRun(join(folder, name), small);
      rmSync(join(folder, name, name), { force: true });
      makePipe(join(folder, name, name));
    }
    const { address } = await serve(folder);
    const { runs } = JSON.parse((await get(address, '/api/runs')).body);
    expect(runs['config.json'].problems).toEqual([expect.stringMatching(/config.json: it is no file/)]);
    expect(runs['lock.json']).toMatchObject({ state: 'finished', problems: [] });
  });

  it('wants the token of its address on every request, where it listens to others', async () => {
    const folder = scratch();
    makeRun(join(folder, 'a'), small);
    const first = await serve(folder, { host: '0.0.0.0' });
    const [, token] = /^http:\/\/[^/]+:\d+\/([\w-]{32})\/$/.exec(first.address)!;
    expect((await serve(folder, { host: '0.0.0.0' })).address).not.toContain(token);
    const address = `http://127.0.0.1:${new URL(first.address).port}`;
    for (const path of [
      '/',
      '/api/runs',
      '/events',
      '/icon.svg',
      `/${token.slice(1)}/`,
      `/${token}x/`,
      '//',
      `/x/${token}/`,
    ]) {
      expect(await get(address, path), path).toMatchObject({ status: 403 });
    }
    expect(await get(address, `/${token}/`)).toMatchObject({ status: 200 });
    expect(await get(address, `/${token}`)).toMatchObject({ status: 308, headers: { location: `/${token}/` } });
    expect(JSON.parse((await get(address, `/${token}/api/run?name=a`)).body)).toMatchObject({ name: 'a' });
    expect(await get(address, `/${token}/../api/runs`)).toMatchObject({ status: 404 });
  });

  it('finds no run through a link that leads out of the folder, and reads no configuration through one', async () => {
    const folder = scratch();
    makeRun(join(folder, 'outside'), small);
    makeRun(join(folder, 'runs/inside'), small);
    symlinkSync(join(folder, 'outside'), join(folder, 'runs/link'));
    mkdirSync(join(folder, 'runs/half'));
    symlinkSync(join(folder, 'outside/journal.jsonl'), join(folder, 'runs/half/journal.jsonl'));
    makeRun(join(folder, 'runs/config'), small);
    rmSync(join(folder, 'runs/config/config.json'));
    writeFileSync(join(folder, 'outside.json'), '{"format":"secret"}');
    symlinkSync(join(folder, 'outside.json'), join(folder, 'runs/config/config.json'));
    const { address } = await serve(join(folder, 'runs'));
    const { runs } = JSON.parse((await get(address, '/api/runs')).body);
    expect(Object.keys(runs)).toEqual(['config', 'inside']);
    expect(runs.config.problems).toEqual([expect.stringContaining('is a link')]);
    expect(JSON.stringify(runs)).not.toContain('secret');
  });
});

/** A page's connection. */
async function follow(address: string, watch: readonly string[] = []) {
  const stop = new AbortController();
  const query = watch.map((name) => `watch=${encodeURIComponent(name)}`).join('&');
  const response = await fetch(`${address}events?${query}`, { signal: stop.signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let shown: unknown;
  let bytes = 0;
  const next = async (): Promise<Shown> => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const message = text.slice(0, end);
        text = text.slice(end + 2);
        if (!message.startsWith('data: ')) continue;
        bytes = message.length;
        shown = changed(shown, JSON.parse(message.slice(6)) as Change);
        return shown as Shown;
      }
      const { value, done } = await reader.read();
      if (done) throw new Error('the stream has ended');
      text += value;
    }
  };
  const until = async (holds: (shown: Shown) => unknown): Promise<Shown> => {
    for (;;) {
      const now = await next();
      if (holds(now)) return now;
    }
  };
  return { until, stop: () => stop.abort(), lastBytes: () => bytes, type: response.headers.get('content-type') };
}

describe('the event stream', () => {
  it('tells all runs, then those that come, change and go', async () => {
    const folder = scratch();
    makeRun(join(folder, 'a'), small);
    const { address } = await serve(folder);
    const page = await follow(address);
    expect(page.type).toBe('text/event-stream');
    await page.until(({ runs }) => runs['a']?.state === 'finished');
    const lines = makeRun(join(folder, 'b'), { ...small, finished: false });
    await page.until(({ runs }) => runs['b']?.state === 'interrupted');
    appendFileSync(
      join(folder, 'b/journal.jsonl'),
      `${JSON.stringify({ type: 'epoch', epoch: 2, epochs: 5, validationAccuracy: 0.75 })}\n`,
    );
    const { runs } = await page.until(({ runs }) => runs['b']?.score?.value === 0.75);
    expect(runs['b'].progress).toMatchObject({ epoch: 3, epochs: 5 });
    expect(lines.length).toBeGreaterThan(3);
    rmSync(join(folder, 'a'), { recursive: true });
    await page.until(({ runs }) => !Object.hasOwn(runs, 'a'));
    rmSync(folder, { recursive: true });
    await page.until(({ problem }) => problem?.includes('no such file or folder'));
    page.stop();
  });

  it('tells of a run that is watched line by line, and only what is new', async () => {
    const folder = scratch();
    const lines = journalOf({ epochs: 60, steps: 5 });
    makeRun(join(folder, 'a'), { epochs: 60, steps: 5 });
    const journal = join(folder, 'a/journal.jsonl');
    writeFileSync(
      journal,
      lines
        .slice(0, -1)
        .map((line) => `${line}\n`)
        .join(''),
    );
    const { address } = await serve(folder);
    const page = await follow(address, ['a', 'nobody']);
    const { views } = await page.until(({ views }) => views['a']?.stages[0]?.history?.entries.length === 61);
    const whole = page.lastBytes();
    expect(Object.keys(views)).toEqual(['a']);
    // Half a line is none yet.
    const result = lines.at(-1)!;
    appendFileSync(journal, result.slice(0, 20));
    appendFileSync(journal, `${result.slice(20)}\n`);
    const ended = await page.until(({ views }) => views['a'].state === 'finished' && views['a'].result !== undefined);
    expect(ended.views['a'].result?.scores).toEqual({ validationAccuracy: 0.9 });
    expect(page.lastBytes()).toBeLessThan(whole / 20);
    page.stop();
  });

  it('goes on where a journal is cut short and written anew, as a resume does', async () => {
    const folder = scratch();
    const lines = makeRun(join(folder, 'a'), { epochs: 4, steps: 2 });
    const { address } = await serve(folder);
    const page = await follow(address, ['a']);
    await page.until(({ views }) => views['a']?.stages[0].genotypes.length === 4);
    writeFileSync(
      join(folder, 'a/journal.jsonl'),
      lines
        .slice(0, 9)
        .map((line) => `${line}\n`)
        .join(''),
    );
    await page.until(({ views }) => views['a']?.stages[0].genotypes.length === 1);
    page.stop();
  });

  it('takes a dozen watched runs and no more', async () => {
    const { address } = await serve(scratch());
    const query = Array.from({ length: 13 }, (_, i) => `watch=${i}`).join('&');
    expect(await get(address, `/events?${query}`)).toMatchObject({ status: 400 });
  });
});

describe('damaged runs', () => {
  it('are shown as far as they can be read', async () => {
    const folder = scratch();
    const damage = (name: string, change: (lines: readonly string[]) => string, config?: string) => {
      const lines = makeRun(join(folder, name), small);
      writeFileSync(join(folder, name, 'journal.jsonl'), change(lines));
      if (config !== undefined) writeFileSync(join(folder, name, 'config.json'), config);
    };
    const whole = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');
    damage('torn', (lines) => whole(lines).slice(0, -40));
    damage('noise', () => '\u0000\u0001{{{\n"text"\n[]\n{"type":"epoch"}\n');
    damage('empty', () => '');
    damage('newer', whole, '{"format":99}');
    damage('wrong', (lines) => whole([...lines, '{"type":"genotype","epoch":9,"genotype":{"normal":7}}']));
    damage('bare', () => '{"type":"start","epoch":0,"run":"select"}\n');
    damage('deep', ([start]) =>
      whole([start.replace('"mnist"', '['.repeat(20_000) + ']'.repeat(20_000)), '{"type":"step","epoch":0,"loss":1}']),
    );
    const odd = '{"toString":1}';
    damage('types', () =>
      whole([
        `{"type":"start","epoch":0,"settings":3,"run":[],"method":${odd},"dataset":${odd},"seed":${odd},"notices":"x"}`,
        `{"type":"step","epoch":0,"epochs":${odd},"step":${odd},"loss":1}`,
      ]),
    );
    const { address } = await serve(folder);
    const { runs } = JSON.parse((await get(address, '/api/runs')).body);
    expect(Object.keys(runs)).toEqual(['bare', 'deep', 'empty', 'newer', 'noise', 'torn', 'types', 'wrong']);
    // What a page makes rows of.
    expect(Object.keys(runs.types).sort()).toEqual(['changed', 'name', 'problems', 'progress', 'state']);
    expect(runs.types.progress).toEqual({ epoch: 0, epochs: 0, step: 1, steps: 0 });
    const page = await follow(address, ['bare', 'deep', 'types']);
    await page.until(({ views }) =>
      ['bare', 'deep', 'types'].every((name) => views[name]?.problems.length > 0 || views[name]?.settings),
    );
    page.stop();
    expect(runs.newer.problems).toEqual([expect.stringMatching(/expected format \d+ but got 99; another version/)]);
    for (const name of Object.keys(runs)) {
      expect(await get(address, `/api/run?name=${name}`), name).toMatchObject({ status: 200 });
    }
    const torn = JSON.parse((await get(address, '/api/run?name=torn')).body);
    expect(torn.stages[0].genotypes).toHaveLength(2);
  });
});

describe('what cannot be served', () => {
  it.each<[string, unknown, RegExp]>([
    ['port', { port: 70000 }, /expected an integer from 0 to 65535 for port/],
    ['host', { host: '' }, /for host/],
    ['an option', { ports: 1 }, /unknown option 'ports' of openDashboard/],
    ['a host of another machine', { host: '192.0.2.1' }, /192\.0\.2\.1 is no address of this machine/],
  ])('is refused: %s', async (_, options, message) => {
    const opened = openDashboard(scratch(), options as DashboardOptions);
    await expect(opened).rejects.toThrow(ArgumentError);
    await expect(opened).rejects.toThrow(message);
  });

  it('is refused: a folder that is none', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'file'), '');
    await expect(openDashboard(join(folder, 'nothing'))).rejects.toThrow(FileError);
    await expect(openDashboard(join(folder, 'file'))).rejects.toThrow(/is a file: expected a folder with runs/);
  });
});

describe('dartsmith dashboard', () => {
  const run = (...args: string[]) => runProcess(process.execPath, [cli, 'dashboard', ...args], { cwd: root });

  it('tells in one line what is wrong', async () => {
    const folder = scratch();
    expect(await run(join(folder, 'none'))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^dartsmith: cannot read .*none.*\n$/),
    });
    expect(await run(folder, '--port', 'x')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^dartsmith: .*--port.*\n$/),
    });
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const ended = await run(folder, '--port', String(port));
    other.close();
    expect(ended.stderr).toBe(
      `dartsmith: port ${port} of 127.0.0.1 is in use: choose another, or 0 for any that is free\n`,
    );
    expect(ended.code).not.toBe(0);
  });

  it('tells where it is, and ends by Ctrl-C though a page is open', async () => {
    const folder = scratch();
    const child = spawn(process.execPath, [cli, 'dashboard', folder, '--port', '0']);
    let [stdout, stderr] = ['', ''];
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (text) => {
        stdout += text;
        if (stdout.endsWith('\n')) resolve();
      });
    });
    const [, address] = /^0 runs of .*: (http:\S+)\n$/.exec(stdout)!;
    expect(stderr).toBe(`there is no run in ${folder} yet: each is shown as soon as it begins\n`);
    const page = await follow(address);
    child.kill('SIGINT');
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(0);
    await expect(page.until(() => false)).rejects.toThrow();
  });
});
