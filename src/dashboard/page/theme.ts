// Light or dark: as the system has it, unless the reader chose.
import { useEffect, useState } from 'preact/hooks';

export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const key = 'dartsmith-theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

/** What the reader chose. */
export function keptTheme(): Theme {
  try {
    return themes.find((theme) => theme === localStorage.getItem(key)) ?? 'system';
  } catch {
    return 'system';
  }
}

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = isDark(theme) ? 'dark' : 'light';
  for (const listener of listeners) listener();
}

export function chooseTheme(theme: Theme): void {
  try {
    localStorage.setItem(key, theme);
  } catch {
    // It holds until the page is left.
  }
  applyTheme(theme);
}

/** Whether it is dark now: for what is drawn on a canvas, which no style sheet reaches. */
export function useDark(): boolean {
  const now = () => document.documentElement.dataset['theme'] === 'dark';
  const [dark, setDark] = useState(now);
  useEffect(() => {
    const follow = () => setDark(now());
    listeners.add(follow);
    return () => void listeners.delete(follow);
  }, []);
  return dark;
}

system.addEventListener('change', () => applyTheme(keptTheme()));

function isDark(theme: Theme): boolean {
  return theme === 'dark' || (theme === 'system' && system.matches);
}
