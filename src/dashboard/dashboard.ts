// A page that shows the runs of a folder, served on this machine.
import { stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { aName, anInteger, check } from '../checks.ts';
import { FileError, messageOf } from '../errors.ts';
import { fileError } from '../io/file_error.ts';
import type { Method } from '../methods/method.ts';
import { methods as builtIn } from '../methods/registry.ts';
import { checkOptionRules, type OptionRules } from '../option_rules.ts';
import type { EventStream } from './event_stream.ts';
import { guardOf } from './guard.ts';
import { listen } from './listen.ts';
import { readPageFiles } from './page_files.ts';
import { respond, type Served } from './respond.ts';
import { RunList } from './run_list.ts';
import { RunViews } from './run_views.ts';

/** Options of {@link openDashboard}. */
export interface DashboardOptions {
  /** Where it listens; `127.0.0.1` when absent. On another host than that and `localhost` its address holds a random token. */
  readonly host?: string;
  /** 7007 when absent; 0 for any that is free. */
  readonly port?: number;
  /** Milliseconds between two looks at the runs; 1000 when absent. */
  readonly lookMillis?: number;
}

/** A dashboard that is served. */
export interface Dashboard extends AsyncDisposable {
  /** What to open in a browser, with the token where there is one. */
  readonly address: string;
  /** Runs that were found when it began. */
  readonly runs: number;
  /** Ends it: pages that are open are told, and the port is free again. */
  close(): Promise<void>;
}

export const usualPort = 7007;

const rules: OptionRules<DashboardOptions> = {
  host: aName,
  port: anInteger(0, 65535),
  lookMillis: anInteger(10),
};

/**
 * Serves a page that shows the runs of a folder while they go on: nothing outside the folder, to nobody but this machine unless `host` says
 * so. Throws FileError for a folder that is none, ArgumentError for a host or port that cannot be listened on.
 */
export async function openDashboard(
  folder: string,
  options: DashboardOptions = {},
  methods: readonly Method[] = builtIn,
): Promise<Dashboard> {
  check('folder', folder, aName);
  checkOptionRules('openDashboard', options, rules);
  const { host = '127.0.0.1', port = usualPort, lookMillis = 1000 } = options;
  await checkFolder(folder);
  const streams = new Set<EventStream>();
  const tell = () => {
    for (const stream of streams) stream.send();
  };
  const list = new RunList(folder, methods, lookMillis, tell);
  const views = new RunViews((name) => list.directoryOf(name), methods, lookMillis, tell);
  const served: Served = { guard: guardOf(host), files: await readPageFiles(), list, views, streams };
  const server = createServer((request, response) => {
    respond(served, request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
      response.end(`${messageOf(error)}\n`);
    });
  });
  await listen(server, host, port);
  // The first page finds them read.
  void list.look();
  const close = async () => {
    views.stop();
    list.stop();
    for (const stream of streams) stream.close();
    streams.clear();
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  };
  const runs = await list.count();
  return { address: addressOf(server, host, served.guard.prefix), runs, close, [Symbol.asyncDispose]: close };
}

async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch((error: unknown) => {
    throw fileError('read', folder, error);
  });
  if (!found.isDirectory()) throw new FileError(`${folder} is a file: expected a folder with runs`);
}

/** Of a host that stands for all of this machine's addresses, one that others may know. */
function addressOf(server: Server, host: string, prefix: string): string {
  const { port } = server.address() as AddressInfo;
  const known = ['0.0.0.0', '::'].includes(host) ? hostname() : host;
  return `http://${known.includes(':') ? `[${known}]` : known}:${port}${prefix}/`;
}
