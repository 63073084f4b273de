// What a page is told over its connection (server-sent events): first everything, then what changed.
import type { ServerResponse } from 'node:http';
import { changeBetween } from './changes.ts';
import type { Shown } from './shown.ts';

/** Bytes that may wait on the way; a page that takes them slowly skips what has been overtaken. */
const mostWaiting = 1 << 20;
/** How often a connection without news shows that it is one. */
const beatMillis = 15_000;

export class EventStream {
  readonly #response: ServerResponse;
  readonly #shown: () => Shown;
  readonly #beat: NodeJS.Timeout;
  #sent: Shown | undefined;
  #isClosed = false;

  /** `shown` tells what the page has to show now. */
  constructor(response: ServerResponse, shown: () => Shown) {
    this.#response = response;
    this.#shown = shown;
    response.on('drain', () => this.send());
    // Of one that has gone its closing tells.
    response.on('error', () => {});
    this.#beat = setInterval(() => response.write(':\n\n'), beatMillis);
    this.#beat.unref();
    this.send();
  }

  /** Sends what has changed, unless what was sent before is still on its way. Never throws: what cannot be told is not. */
  send(): void {
    if (this.#isClosed || this.#response.writableLength > mostWaiting) return;
    try {
      const shown = this.#shown();
      const change = changeBetween(this.#sent, shown);
      const text = JSON.stringify(change);
      this.#sent = shown;
      if (text !== undefined) this.#response.write(`data: ${text}\n\n`);
    } catch {
      // The page keeps what it has until something else is to be told.
    }
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#beat);
    this.#response.end();
  }
}
