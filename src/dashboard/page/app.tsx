import type { ComponentChildren } from 'preact';
import { useEffect, useErrorBoundary, useMemo, useState } from 'preact/hooks';
import { ComparePage } from './compare_page.tsx';
import { useLive } from './live.ts';
import { type Route, useRoute } from './route.ts';
import { RunList } from './run_list.tsx';
import { RunPage } from './run_page.tsx';
import { chooseTheme, keptTheme, type Theme, themes } from './theme.ts';

export function App() {
  const route = useRoute();
  const watched = useMemo(() => watchedBy(route), [route]);
  const { shown, isConnected } = useLive(watched);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        skip to content
      </button>
      <header class="top">
        <a class="brand" href="#/">
          dartsmith
        </a>
        <span class="folder">{shown?.folder}</span>
        <span class={isConnected ? 'link live' : 'link'} role="status">
          {isConnected ? 'live' : shown === undefined ? 'connecting' : 'not connected'}
        </span>
        <ThemeSwitch />
      </header>
      <main id="main" tabIndex={-1}>
        {shown?.problem !== undefined && <p class="problem">{shown.problem}</p>}
        {shown === undefined ? (
          <p class="hint">Reading runs…</p>
        ) : (
          <Guarded of={[route, shown]}>
            <Page route={route} shown={shown} />
          </Guarded>
        )}
      </main>
    </>
  );
}

/** What cannot be shown is said, and tried again when anything of `of` is another. */
function Guarded({ of, children }: { readonly of: readonly unknown[]; readonly children: ComponentChildren }) {
  const [error, again] = useErrorBoundary();
  useEffect(again, of);
  return error === undefined ? children : <p class="problem">This cannot be shown: {String(error)}</p>;
}

function Page({
  route,
  shown,
}: {
  readonly route: Route;
  readonly shown: NonNullable<ReturnType<typeof useLive>['shown']>;
}) {
  if (route.page === 'list') return <RunList route={route} runs={shown.runs} />;
  if (route.page === 'compare') return <ComparePage names={route.names} shown={shown} />;
  const { name } = route;
  return <RunPage key={name} route={route} shown={shown} />;
}

function watchedBy(route: Route): readonly string[] {
  if (route.page === 'run') return [route.name];
  return route.page === 'compare' ? route.names : [];
}

function ThemeSwitch() {
  const [theme, setTheme] = useState<Theme>(keptTheme);
  const choose = (next: Theme) => {
    setTheme(next);
    chooseTheme(next);
  };
  return (
    <label class="theme">
      <span class="quiet">theme</span>
      <select value={theme} onChange={({ currentTarget }) => choose(currentTarget.value as Theme)}>
        {themes.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
