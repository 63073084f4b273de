// Who may ask: a page that came from this server, on this machine or with the token.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/** Hosts that nobody but this machine reaches. */
const ownHosts = ['127.0.0.1', 'localhost'];

/** Whether a request may be answered. */
export interface Guard {
  /** What every path begins with: empty, or `/` and the token. */
  readonly prefix: string;
  /** The path behind the prefix; undefined for a request that is refused. */
  pathOf(request: IncomingMessage): string | undefined;
}

/** The guard of a server on a host: beyond this machine every path begins with a token that nobody guesses. */
export function guardOf(host: string): Guard {
  const token = ownHosts.includes(host) ? undefined : randomBytes(24).toString('base64url');
  return {
    prefix: token === undefined ? '' : `/${token}`,
    pathOf(request) {
      const path = (request.url ?? '').split('?', 1)[0];
      if (!path.startsWith('/') || !isOwnName(request.headers.host, host) || isFromElsewhere(request)) return undefined;
      if (token === undefined) return path;
      const given = path.slice(1).split('/', 1)[0];
      return isSame(given, token) ? path.slice(1 + given.length) : undefined;
    },
  };
}

/**
 * Whether a Host header names this server as its own pages do. Any other name may be one that its owner has just made point here
 * (DNS rebinding), so that a page of theirs could read what this one serves; an address cannot.
 */
function isOwnName(header: string | undefined, host: string): boolean {
  const name = /^(?:\[([^\]]+)\]|([^:]*))(?::\d+)?$/.exec(header ?? '');
  if (name === null) return false;
  const called = (name[1] ?? name[2]).toLowerCase();
  return isIP(called) !== 0 || [...ownHosts, host, hostname()].some((own) => own.toLowerCase() === called);
}

/** Whether another site's page sent it: only a link may lead here from there. */
function isFromElsewhere({ headers }: IncomingMessage): boolean {
  return headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate';
}

/** In a time that tells nothing of where they differ. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
