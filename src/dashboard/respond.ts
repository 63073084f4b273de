// What a request is answered with.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readRunView } from '../run/view.ts';
import { EventStream } from './event_stream.ts';
import type { Guard } from './guard.ts';
import type { PageFile } from './page_files.ts';
import type { RunList } from './run_list.ts';
import type { RunViews } from './run_views.ts';
import type { Shown } from './shown.ts';

/** What answers are made of. */
export interface Served {
  readonly guard: Guard;
  readonly files: ReadonlyMap<string, PageFile>;
  readonly list: RunList;
  readonly views: RunViews;
  /** The pages that are open. */
  readonly streams: Set<EventStream>;
}

/** Pages at a time, and runs that one watches. */
const mostStreams = 100;
const mostWatched = 12;

/** Nothing but what this server serves is loaded, run, framed or told of. */
const headers: Readonly<Record<string, string>> = {
  'content-security-policy': [
    ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
    ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** Answers a request. Whatever it asks for, nothing is thrown. */
export async function respond(served: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { guard, files, list } = served;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  const path = guard.pathOf(request);
  if (path === undefined) return refuse(response, 403, 'this address is not served');
  if (request.method !== 'GET') {
    response.setHeader('allow', 'GET');
    return refuse(response, 405, 'only GET is answered');
  }
  // What the page loads is named relative to its folder.
  if (path === '') return void response.writeHead(308, { location: `${guard.prefix}/` }).end();
  const query = new URLSearchParams((request.url ?? '').split('?').slice(1).join('?'));
  if (path === '/events') {
    const watched = query.getAll('watch');
    if (watched.length > mostWatched) return refuse(response, 400, `at most ${mostWatched} runs can be watched`);
    if (served.streams.size >= mostStreams) return refuse(response, 503, 'too many pages are open');
    return openStream(served, watched, response);
  }
  if (path === '/api/runs') {
    await list.look();
    return answer(response, 'application/json', JSON.stringify({ folder: list.folder, ...list.listed }));
  }
  if (path === '/api/run') return answerRun(list, query.get('name') ?? '', response);
  const file = files.get(path);
  if (file === undefined) return refuse(response, 404, 'there is nothing here');
  answer(response, file.type, file.bytes);
}

async function answerRun(list: RunList, name: string, response: ServerResponse): Promise<void> {
  const directory = await list.find(name);
  if (directory === undefined) return refuse(response, 404, 'there is no run of that name');
  answer(response, 'application/json', JSON.stringify(await readRunView(directory, { name })));
}

function openStream({ list, views, streams }: Served, watched: readonly string[], response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const shown = (): Shown => ({ folder: list.folder, ...list.listed, views: views.of(watched) });
  const stream = new EventStream(response, shown);
  streams.add(stream);
  list.start();
  const unwatch = views.watch(watched);
  response.on('close', () => {
    streams.delete(stream);
    stream.close();
    unwatch();
    // Nobody looks: nothing is looked for.
    if (streams.size === 0) list.stop();
  });
}

function answer(response: ServerResponse, type: string, body: string | Buffer): void {
  response.writeHead(200, { 'content-type': type }).end(body);
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${why}\n`);
}
