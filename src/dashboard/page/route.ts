// What the address says that is shown, so that it can be kept and given to others.
import { useEffect, useState } from 'preact/hooks';

/** A page. */
export type Route =
  | { readonly page: 'list'; readonly filter: string; readonly sort: string; readonly isDown: boolean }
  | {
      readonly page: 'run';
      readonly name: string;
      readonly stage?: number;
      readonly epoch?: number;
      readonly cell?: string;
    }
  | { readonly page: 'compare'; readonly names: readonly string[] };

/** Runs that are laid side by side. */
export const mostCompared = 8;

/** The page of a hash; the list for one that makes no sense. */
export function routeOf(hash: string): Route {
  const [path, query = ''] = hash.replace(/^#?\/?/, '').split('?', 2);
  const fields = new URLSearchParams(query);
  const [page, ...parts] = path.split('/');
  if (page === 'run' && parts.length > 0) {
    const stage = integer(fields.get('stage'));
    const epoch = integer(fields.get('epoch'));
    return { page, name: parts.map(decoded).join('/'), stage, epoch, cell: fields.get('cell') ?? undefined };
  }
  if (page === 'compare') return { page, names: fields.getAll('run').slice(0, mostCompared) };
  const isDown = fields.get('order') !== 'up';
  return { page: 'list', filter: fields.get('filter') ?? '', sort: fields.get('sort') ?? 'changed', isDown };
}

/** The address of a page. */
export function hashOf(route: Route): string {
  const fields = new URLSearchParams();
  if (route.page === 'list') {
    if (route.filter !== '') fields.set('filter', route.filter);
    if (route.sort !== 'changed') fields.set('sort', route.sort);
    if (!route.isDown) fields.set('order', 'up');
    return written('#/', fields);
  }
  if (route.page === 'compare') {
    for (const name of route.names) fields.append('run', name);
    return written('#/compare', fields);
  }
  for (const name of ['stage', 'epoch', 'cell'] as const) {
    const value = route[name];
    if (value !== undefined) fields.set(name, String(value));
  }
  return written(`#/run/${route.name.split('/').map(encodeURIComponent).join('/')}`, fields);
}

/** Goes to a page; `isStep` for one that the browser's back leaves again. */
export function goTo(route: Route, isStep = true): void {
  if (isStep) location.hash = hashOf(route);
  else history.replaceState(null, '', hashOf(route));
}

/** The page that the address says. */
export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const follow = () => setRoute(routeOf(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return route;
}

function written(path: string, fields: URLSearchParams): string {
  const query = fields.toString();
  return query === '' ? path : `${path}?${query}`;
}

function integer(text: string | null): number | undefined {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
