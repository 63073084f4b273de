// What plays a search as an animation.
import { useEffect, useState } from 'preact/hooks';

/** About how long a search plays, and moments a second at least. */
const seconds = 12;
const slowest = 2;

/** Whether it plays, and how to begin and end that. `move` is told the next moment of `count`. */
export function usePlayer(count: number, at: number, move: (at: number) => void) {
  const [isPlaying, setPlaying] = useState(false);
  useEffect(() => {
    if (!isPlaying) return;
    const rate = Math.max(slowest, count / seconds);
    const from = at >= count - 1 ? 0 : at;
    let began: number | undefined;
    let last = -1;
    let frame = requestAnimationFrame(function next(now) {
      began ??= now;
      const moment = Math.min(count - 1, Math.floor(from + ((now - began) / 1000) * rate));
      if (moment !== last) move(moment);
      last = moment;
      if (moment >= count - 1) return setPlaying(false);
      frame = requestAnimationFrame(next);
    });
    return () => cancelAnimationFrame(frame);
  }, [isPlaying, count]);
  return { isPlaying, toggle: () => setPlaying((before) => !before), stop: () => setPlaying(false) };
}
