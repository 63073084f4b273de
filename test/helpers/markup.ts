// Whether markup of ours is whole: what a run says must never become a part of it.
import { expect } from 'vitest';

/** Elements that HTML does not close. */
const alone = ['meta', 'img'];

/** Every element is closed in its turn, no attribute holds what is no number, nothing is left unescaped. */
export function expectWellFormed(text: string): void {
  const open: string[] = [];
  const markup = text.replace(/<!DOCTYPE[^>]*>|<\?xml[^>]*>|<!--[\s\S]*?-->|<style>[^<]*<\/style>/g, '');
  for (const [, close, name, attributes, self] of markup.matchAll(
    /<(\/?)([a-zA-Z][\w]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
  )) {
    if (close !== '') expect(open.pop()).toBe(name);
    else if (self === '' && !alone.includes(name)) open.push(name);
    expect(attributes).not.toMatch(/\b(NaN|Infinity|undefined)\b/);
  }
  expect(open).toEqual([]);
  const texts = markup.replace(/<\/?[a-zA-Z]\w*(?:\s+[\w:-]+="[^"<]*")*\s*\/?>/g, '');
  expect(texts).not.toMatch(/[<>]|&(?!amp;|lt;|gt;|quot;|#\d+;|nbsp;)/);
}
