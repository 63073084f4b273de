// A stage of a search, moment by moment: its cells and its weights, led by one slider.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { cellName } from '../../genotype/genotype.ts';
import type { StageView } from '../../report/run_view.ts';
import { CellPicture, useCellPictures } from './cell_picture.tsx';
import { HeatMap } from './heat_map.tsx';
import { usePlayer } from './player.ts';
import { momentText } from './words.ts';

interface SearchViewProps {
  readonly stage: StageView;
  /** What the address says. */
  readonly epoch?: number;
  readonly cell?: string;
  /** Keeps in the address what is looked at. */
  readonly keep: (at: { readonly epoch?: number; readonly cell?: string }) => void;
}

export function SearchView({ stage, epoch, cell, keep }: SearchViewProps) {
  const { history } = stage;
  const epochs = useEpochs(stage);
  // Without a choice it is the newest, and stays so when a search goes on.
  const [chosen, setChosen] = useState(epoch);
  const keys = Object.keys(history?.layout.tables ?? {});
  const [key, setKey] = useState(cell);
  const shownKey = key !== undefined && keys.includes(key) ? key : keys[0];
  const at = chosen === undefined ? epochs.length - 1 : lastUpTo(epochs, chosen);
  const moment = epochs[at];
  const move = (next: number) => setChosen(next >= epochs.length - 1 ? undefined : epochs[Math.max(0, next)]);
  const { isPlaying, toggle, stop } = usePlayer(epochs.length, at, move);
  useKept(keep, isPlaying, chosen, key);
  const toEpoch = (to: number) => {
    stop();
    move(epochs.indexOf(to));
  };
  useKeys(toggle, (by) => {
    stop();
    move(Math.min(epochs.length - 1, at + by));
  });
  return (
    <section aria-label="search" class={history === undefined ? 'search' : 'search whole'}>
      <div class="player">
        <button type="button" onClick={toggle} aria-label={isPlaying ? 'pause' : 'play'} title="space">
          {isPlaying ? '❚❚' : '▶'}
        </button>
        <input
          type="range"
          min={0}
          max={Math.max(0, epochs.length - 1)}
          step={1}
          value={at}
          aria-label="epoch"
          aria-valuetext={momentText(moment)}
          onInput={({ currentTarget }) => {
            stop();
            move(Number(currentTarget.value));
          }}
        />
        <output>{momentText(moment)}</output>
      </div>
      <Cells stage={stage} epoch={moment} />
      {history !== undefined && (
        <div class="weights">
          {keys.length > 1 && (
            <label class="choice">
              weights of the{' '}
              <select value={shownKey} onChange={({ currentTarget }) => setKey(currentTarget.value)}>
                {keys.map((one) => (
                  <option key={one} value={one}>
                    {cellName(one)}
                  </option>
                ))}
              </select>
            </label>
          )}
          <HeatMap history={history} cell={shownKey} epoch={moment} toEpoch={toEpoch} />
        </div>
      )}
    </section>
  );
}

/** The cell that a search had come to at an epoch. */
function Cells({ stage: { genotypes }, epoch }: { readonly stage: StageView; readonly epoch: number }) {
  const drawn = useMemo(() => genotypes.map(({ genotype }) => genotype), [genotypes]);
  const pictureOf = useCellPictures(drawn);
  if (genotypes.length === 0) return null;
  const told = genotypes.findLastIndex((one) => one.epoch <= epoch);
  if (told < 0)
    return <p class="cells hint">No cell has been chosen yet: the first one is {momentText(genotypes[0].epoch)}.</p>;
  return <CellPicture picture={pictureOf(drawn[told], drawn[told - 1])} label={`cells ${momentText(epoch)}`} />;
}

/** The moments that a stage tells something of, in epochs. */
function useEpochs({ genotypes, history }: StageView): readonly number[] {
  return useMemo(() => {
    const told = [...genotypes, ...(history?.entries ?? [])].map(({ epoch }) => epoch);
    return [...new Set(told)].sort((a, b) => a - b);
  }, [genotypes, history]);
}

function lastUpTo(epochs: readonly number[], epoch: number): number {
  return Math.max(
    0,
    epochs.findLastIndex((one) => one <= epoch),
  );
}

/** Tells the address when the slider has come to rest. */
function useKept(keep: SearchViewProps['keep'], isPlaying: boolean, epoch?: number, cell?: string) {
  const isFirst = useRef(true);
  useEffect(() => {
    if (isFirst.current || isPlaying) {
      isFirst.current = false;
      return;
    }
    const timer = setTimeout(() => keep({ epoch, cell }), 250);
    return () => clearTimeout(timer);
  }, [isPlaying, epoch, cell]);
}

/** Space plays and arrows step, wherever nothing else takes them. */
function useKeys(toggle: () => void, step: (by: number) => void) {
  const latest = useRef({ toggle, step });
  latest.current = { toggle, step };
  useEffect(() => {
    const follow = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const isSlider = target.matches('input[type=range]');
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (!isSlider && target.closest('a, button, input, select, summary, textarea') !== null) return;
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === ' ') latest.current.toggle();
      else if (by !== undefined && !isSlider) latest.current.step(by);
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', follow);
    return () => removeEventListener('keydown', follow);
  }, []);
}
