// A search, moment by moment: its cells and its weights, led by one slider.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { cellName } from '../../genotype/genotype.ts';
import type { StageView } from '../../report/run_view.ts';
import type { MixingHistory } from '../../select/history.ts';
import { CellPicture, useCellPictures } from './cell_picture.tsx';
import { HeatMap } from './heat_map.tsx';
import { genotypesOf, lastUpTo, type Moment, momentsOf, tellMoment } from './moments.ts';
import { usePlayer } from './player.ts';

/** What the address says of it: another object when the reader goes to another place. */
export interface SearchPlace {
  readonly at?: Moment;
  readonly cell?: string;
}

interface SearchViewProps {
  readonly stages: readonly StageView[];
  readonly place: SearchPlace;
  readonly keep: (place: SearchPlace) => void;
}

export function SearchView({ stages, place, keep }: SearchViewProps) {
  const moments = useMemo(() => momentsOf(stages), [stages]);
  // Without a choice it is the newest, and stays so when a search goes on.
  const [chosen, setChosen] = useState(place.at);
  const [cell, setCell] = useState(place.cell);
  const index = lastUpTo(moments, chosen);
  const moment = moments[index];
  const { history } = stages[moment.stage];
  const move = (next: number) => setChosen(next >= moments.length - 1 ? undefined : moments[Math.max(0, next)]);
  const { isPlaying, toggle, stop } = usePlayer(moments.length, index, move);
  useKept(keep, isPlaying, chosen, cell);
  useEffect(() => {
    stop();
    setChosen(place.at);
    setCell(place.cell);
  }, [place]);
  const moveTo = (next: number) => {
    stop();
    move(next);
  };
  useKeys(toggle, (by) => moveTo(index + by));
  const told = tellMoment(stages, moment);
  return (
    <section aria-label="search" class={history === undefined ? 'search' : 'search whole'}>
      <div class="player">
        <button type="button" onClick={toggle} aria-label={isPlaying ? 'pause' : 'play'} title="space">
          {isPlaying ? '❚❚' : '▶'}
        </button>
        <input
          type="range"
          min={0}
          max={Math.max(0, moments.length - 1)}
          step={1}
          value={index}
          aria-label="epoch"
          aria-valuetext={told}
          onInput={({ currentTarget }) => moveTo(Number(currentTarget.value))}
        />
        <output>{told}</output>
      </div>
      <Cells stages={stages} moment={moment} label={`cells ${told}`} />
      {history !== undefined && (
        <Weights
          history={history}
          cell={cell}
          choose={setCell}
          epoch={moment.epoch}
          toEpoch={(epoch) => moveTo(lastUpTo(moments, { stage: moment.stage, epoch }))}
        />
      )}
    </section>
  );
}

/** The cells that a search had come to at a moment. */
function Cells({ stages, moment, label }: { stages: readonly StageView[]; moment: Moment; label: string }) {
  const told = useMemo(() => genotypesOf(stages), [stages]);
  const drawn = useSame(told.map(({ genotype }) => genotype));
  const pictureOf = useCellPictures(drawn);
  if (told.length === 0) return null;
  const isUpTo = ({ stage, epoch }: Moment) =>
    stage < moment.stage || (stage === moment.stage && epoch <= moment.epoch);
  const last = told.findLastIndex(isUpTo);
  if (last < 0) return <p class="cells hint">No cell has been chosen yet.</p>;
  return <CellPicture picture={pictureOf(drawn[last], drawn[last - 1])} label={label} />;
}

interface WeightsProps {
  readonly history: MixingHistory;
  readonly cell: string | undefined;
  readonly choose: (cell: string) => void;
  readonly epoch: number;
  readonly toEpoch: (epoch: number) => void;
}

/** The heat map of one of the cells. */
function Weights({ history, cell, choose, epoch, toEpoch }: WeightsProps) {
  const keys = Object.keys(history.layout.tables);
  const shown = cell !== undefined && keys.includes(cell) ? cell : keys[0];
  return (
    <div class="weights">
      {keys.length > 1 && (
        <label class="choice">
          weights of the{' '}
          <select value={shown} onChange={({ currentTarget }) => choose(currentTarget.value)}>
            {keys.map((key) => (
              <option key={key} value={key}>
                {cellName(key)}
              </option>
            ))}
          </select>
        </label>
      )}
      <HeatMap history={history} cell={shown} epoch={epoch} toEpoch={toEpoch} />
    </div>
  );
}

/** The list of before, where its items are the same. */
function useSame<T>(list: readonly T[]): readonly T[] {
  const before = useRef(list);
  const isSame = before.current.length === list.length && list.every((item, i) => item === before.current[i]);
  if (!isSame) before.current = list;
  return before.current;
}

/** Tells the address when the slider has come to rest. */
function useKept(keep: SearchViewProps['keep'], isPlaying: boolean, at?: Moment, cell?: string) {
  const isFirst = useRef(true);
  useEffect(() => {
    if (isFirst.current || isPlaying) {
      isFirst.current = false;
      return;
    }
    const timer = setTimeout(() => keep({ at, cell }), 250);
    return () => clearTimeout(timer);
  }, [isPlaying, at, cell]);
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
