import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** A run directory's files, those of its stages too, the journal without starts and what the clock decides, and the checkpoint as its digest. */
export function contentsOf(directory: string): Record<string, string> {
  const read = (name: string) => {
    const bytes = readFileSync(join(directory, name));
    if (name.endsWith('.safetensors')) return createHash('sha256').update(bytes).digest('hex');
    // A run that was resumed has started more often.
    const lines = bytes.toString().replace(/^\{"type":"start".*\n/gm, '');
    return lines.replace(/"(imagesPerSecond|wordsPerSecond|secondsLeft|seconds)":[^,}]+/g, '"$1":0');
  };
  return Object.fromEntries(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => relative(directory, join(parentPath, name)))
      .toSorted()
      .map((name) => [name, read(name)]),
  );
}
