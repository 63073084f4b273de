// What must go on whatever is thrown: connections, rounds, and the port that is listened on.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { EventStream } from '../../../src/dashboard/event_stream.ts';
import { listen } from '../../../src/dashboard/listen.ts';
import { Rounds } from '../../../src/dashboard/rounds.ts';
import { RunViews } from '../../../src/dashboard/run_views.ts';
import type { Shown } from '../../../src/dashboard/shown.ts';
import { methods } from '../../../src/methods/registry.ts';
import { makeRun } from '../../helpers/made_run.ts';
import { scratch } from '../../helpers/scratch.ts';

const fail = () => {
  throw new RangeError('Maximum call stack size exceeded');
};

/** A connection's end at the server: what was written to it. */
async function connection() {
  const server = createServer();
  await listen(server, '127.0.0.1', 0);
  const { port } = server.address() as { port: number };
  const asked = fetch(`http://127.0.0.1:${port}`);
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  const write = vi.spyOn(response, 'write');
  const end = async () => {
    response.end();
    await (await asked).text();
    server.close();
  };
  return { response, write, end };
}

describe('an event stream', () => {
  it('goes on behind what cannot be told', async () => {
    const { response, write, end } = await connection();
    const [deep, whole] = [{ toJSON: fail }, { folder: 'b' }] as unknown as Shown[];
    let shown = deep;
    const stream = new EventStream(response, () => shown);
    expect(write).not.toHaveBeenCalled();
    shown = whole;
    stream.send();
    expect(write).toHaveBeenCalledWith(`data: {"set":{"folder":"b"}}\n\n`);
    await end();
  });

  it('that is closed sends nothing more', async () => {
    const { response, write, end } = await connection();
    let folder = 'a';
    const stream = new EventStream(response, () => ({ folder, runs: {}, views: {} }));
    stream.close();
    folder = 'b';
    stream.send();
    expect(write).toHaveBeenCalledTimes(1);
    await end();
  });
});

it('rounds go on behind one that throws', async () => {
  let count = 0;
  await new Promise<void>((resolve) => {
    const rounds = new Rounds(async () => {
      if (++count === 1) throw new Error('no');
      rounds.stop();
      resolve();
    }, 1);
    rounds.start();
  });
  expect(count).toBe(2);
});

it('a view that cannot be told while a long journal is read ends nothing', async () => {
  const folder = scratch();
  makeRun(folder, { epochs: 2, steps: 2 });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    let told = 0;
    const tell = () => {
      if (told++ < 2) fail();
    };
    const views = new RunViews(async () => folder, methods, 20, tell);
    const stop = views.watch(['a']);
    // Until it waits for the disk.
    for (let i = 0; i < 10; i++) await Promise.resolve();
    expect(() => vi.advanceTimersByTime(900)).not.toThrow();
    expect(told).toBe(2);
    const end = performance.now() + 4000;
    while (told === 2 && performance.now() < end) await new Promise(setImmediate);
    expect(views.of(['a'])['a'].state).toBe('finished');
    stop();
  } finally {
    vi.useRealTimers();
  }
});

it('a server that listens stays when a connection could not be taken', async () => {
  const server = createServer();
  await listen(server, '127.0.0.1', 0);
  expect(server.listenerCount('error')).toBe(1);
  for (let i = 0; i < 2; i++) server.emit('error', new Error('EMFILE'));
  const taken = createServer();
  const { port } = server.address() as { port: number };
  await expect(listen(taken, '127.0.0.1', port)).rejects.toThrow(`port ${port} of 127.0.0.1 is in use`);
  server.close();
});
