// What the server shows, kept up by its event stream.
import { useEffect, useState } from 'preact/hooks';
import { type Change, changed } from '../changes.ts';
import type { Shown } from '../shown.ts';

/** What is known, and whether news come. */
export interface Live {
  readonly shown?: Shown;
  readonly isConnected: boolean;
}

/** What the server shows, with views of the runs of these names. A page that nobody sees is not kept up. */
export function useLive(names: readonly string[]): Live {
  const [live, setLive] = useState<Live>({ isConnected: false });
  const watched = names.map((name) => `watch=${encodeURIComponent(name)}`).join('&');
  useEffect(() => {
    let stream: EventSource | undefined;
    const open = () => {
      stream?.close();
      stream = document.hidden ? undefined : listen(watched, setLive);
    };
    open();
    document.addEventListener('visibilitychange', open);
    return () => {
      document.removeEventListener('visibilitychange', open);
      stream?.close();
    };
  }, [watched]);
  return live;
}

function listen(watched: string, setLive: (next: (live: Live) => Live) => void): EventSource {
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
  stream.onerror = () => setLive((live) => ({ ...live, isConnected: false }));
  return stream;
}
