// What the server shows, kept up by its event stream.
import { useEffect, useState } from 'preact/hooks';
import { type Change, changed } from '../changes.ts';
import type { Shown } from '../shown.ts';

/** What is known, and whether news come. */
export interface Live {
  readonly shown?: Shown;
  readonly isConnected: boolean;
}

/** After so long a server that refused is asked again. */
const againMillis = 3000;

/** What the server shows, with views of the runs of these names. A page that nobody sees is not kept up. */
export function useLive(names: readonly string[]): Live {
  const [live, setLive] = useState<Live>({ isConnected: false });
  const watched = names.map((name) => `watch=${encodeURIComponent(name)}`).join('&');
  useEffect(() => {
    let stream: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const open = () => {
      clearTimeout(timer);
      stream?.close();
      stream = document.hidden ? undefined : listen(watched, setLive, openAgain);
    };
    const openAgain = () => {
      timer = setTimeout(open, againMillis);
    };
    open();
    document.addEventListener('visibilitychange', open);
    return () => {
      document.removeEventListener('visibilitychange', open);
      clearTimeout(timer);
      stream?.close();
    };
  }, [watched]);
  return live;
}

/** `refused` is called when the browser gives up: it comes back by itself after a lost connection, but not after another answer than 200. */
function listen(watched: string, setLive: (next: (live: Live) => Live) => void, refused: () => void): EventSource {
  const stream = new EventSource(`./events?${watched}`);
  let shown: unknown;
  stream.onopen = () => {
    // After a gap the server begins anew.
    shown = undefined;
    setLive((live) => ({ ...live, isConnected: true }));
  };
  stream.onmessage = ({ data }) => {
    shown = changed(shown, JSON.parse(data) as Change);
    const now = shown as Shown;
    setLive(() => ({ shown: now, isConnected: true }));
  };
  stream.onerror = () => {
    setLive((live) => ({ ...live, isConnected: false }));
    if (stream.readyState === EventSource.CLOSED) refused();
  };
  return stream;
}
