// How far a build is, read from what make and ninja print.
import { readFileSync } from 'node:fs';

/** Files that node-gyp compiles: it does not say how many there are. */
function gypFiles() {
  const lists = JSON.parse(readFileSync(new URL('../native/sources.json', import.meta.url), 'utf8'));
  return [...lists.addon, ...lists.binding, ...lists.engine, ...lists.cpu, ...lists.no_cuda, ...lists.cpu_kernels]
    .length;
}

/** Shows how far a build is: on a terminal in one line that is written anew, else at each fifth. */
export function progressOf(stream) {
  const began = Date.now();
  let share = 0;
  let compiled = 0;
  let told = 0;
  const shareOf = (line) => {
    const [, done, total] = /^\[(\d+)\/(\d+)\]/.exec(line) ?? [];
    if (total !== undefined) return done / total;
    const [, percent] = /^\[\s*(\d+)%\]/.exec(line) ?? [];
    if (percent !== undefined) return percent / 100;
    if (/^\s+CXX\(target\)/.test(line)) return Math.min(1, ++compiled / gypFiles());
    return 0;
  };
  const text = () => {
    const seconds = (Date.now() - began) / 1000;
    const left = Math.ceil((seconds / share) * (1 - share));
    return `dartsmith: ${Math.round(100 * share)} % compiled${seconds > 3 ? `, about ${left} s left` : ''}`;
  };
  return {
    take(output) {
      for (const line of output.split('\n')) share = Math.max(share, shareOf(line));
      if (share === 0) return;
      if (stream.isTTY) stream.write(`\r\x1b[2K${text()}`);
      else if (share - told >= 0.2) {
        told = share;
        stream.write(`${text()}\n`);
      }
    },
    end() {
      if (stream.isTTY && share > 0) stream.write('\r\x1b[2K');
    },
  };
}
