// Events of TensorBoard (https://www.tensorflow.org/tensorboard) from plain data, as records of its files. Scalars, histograms and images
// have the form that every reader knows since its first version.
import { FileError } from '../errors.ts';
import { frameRecord } from '../io/tfrecord.ts';
import { eventCodec, hparamsCodec, rgba, sessionStart, sessionSucceeded, tensorTypes } from './tensorboard_schema.ts';

/** Something that is shown under a tag. */
export type SummaryValue = { readonly tag: string } & (
  | { readonly kind: 'scalar'; readonly value: number }
  | { readonly kind: 'histogram'; readonly values: readonly number[] }
  /** PNG. */
  | { readonly kind: 'image'; readonly png: Uint8Array }
  /** Markdown. */
  | { readonly kind: 'text'; readonly text: string }
);

/** What a setting may be, for the table of runs. */
export type HyperParameters = Readonly<Record<string, string | number | boolean>>;

/** Where an event stands; `seconds` since 1970. */
export interface EventPlace {
  readonly step: number;
  readonly seconds: number;
}

/** With what every event file begins: its version, and that what files before tell from this step on is no longer so. */
export function fileBeginning({ step, seconds }: EventPlace): Buffer {
  const version = event({ wallTime: seconds, fileVersion: 'brain.Event:2' });
  return Buffer.concat([version, event({ wallTime: seconds, step, sessionLog: { status: sessionStart } })]);
}

/** An event with some values. */
export function summaryEvent(place: EventPlace, values: readonly SummaryValue[]): Buffer {
  return summary(place, values.map(encoded));
}

/** Settings of a run, as its first event. */
export function sessionStartEvent(place: EventPlace, settings: HyperParameters): Buffer {
  const hparams = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, hparamValue(value)]));
  return hparamsEvent(place, 'session_start_info', { sessionStartInfo: { hparams, startTimeSecs: place.seconds } });
}

/** That a run has come to its end. */
export function sessionEndEvent(place: EventPlace): Buffer {
  const sessionEndInfo = { status: sessionSucceeded, endTimeSecs: place.seconds };
  return hparamsEvent(place, 'session_end_info', { sessionEndInfo });
}

/** The step of a record of an event file; undefined for a record that is none. */
export function stepOfEvent(record: Uint8Array): number | undefined {
  try {
    const { step = 0 } = eventCodec.decode(record);
    return Number.isSafeInteger(step) ? Number(step) : undefined;
  } catch {
    return undefined;
  }
}

function event(message: object): Buffer {
  return frameRecord(eventCodec.encode(message));
}

function summary({ step, seconds }: EventPlace, value: readonly object[]): Buffer {
  return event({ wallTime: seconds, step, summary: { value } });
}

function encoded(value: SummaryValue): object {
  const { tag } = value;
  if (value.kind === 'scalar') return { tag, simpleValue: value.value };
  if (value.kind === 'histogram') return { tag, histo: histogramOf(value.values) };
  if (value.kind === 'image') return { tag, image: imageOf(value.png) };
  return {
    tag,
    metadata: { pluginData: { pluginName: 'text' } },
    tensor: {
      dtype: tensorTypes.string,
      tensorShape: { dim: [{ size: 1 }] },
      stringVal: [new TextEncoder().encode(value.text)],
    },
  };
}

/** As many as TensorBoard draws. */
const mostBuckets = 30;

/** Buckets of one width from the least to the largest value, one of values that are all the same. */
function histogramOf(values: readonly number[]): object {
  const min = values.reduce((least, value) => Math.min(least, value));
  const max = values.reduce((largest, value) => Math.max(largest, value));
  const width = (max - min) / mostBuckets;
  const count = width > 0 ? mostBuckets : 1;
  const bucket = new Array<number>(count).fill(0);
  for (const value of values) bucket[width > 0 ? Math.min(count - 1, Math.floor((value - min) / width)) : 0]++;
  return {
    ...{ min, max, num: values.length },
    sum: values.reduce((sum, value) => sum + value, 0),
    sumSquares: values.reduce((sum, value) => sum + value * value, 0),
    bucketLimit: bucket.map((_, index) => (index === count - 1 ? max : min + (index + 1) * width)),
    bucket,
  };
}

/** Behind a PNG's signature comes the chunk of its size. */
const pngSize = 16;

function imageOf(png: Uint8Array): object {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  if (png.length < pngSize + 8) throw new FileError('a picture for TensorBoard is no PNG');
  const [width, height] = [view.getUint32(pngSize), view.getUint32(pngSize + 4)];
  return { width, height, colorspace: rgba, encodedImageString: png };
}

function hparamValue(value: string | number | boolean): object {
  if (typeof value === 'number') return { numberValue: value };
  return typeof value === 'boolean' ? { boolValue: value } : { stringValue: value };
}

function hparamsEvent(place: EventPlace, name: string, message: object): Buffer {
  const content = hparamsCodec.encode({ version: 0, ...message });
  const metadata = { pluginData: { pluginName: 'hparams', content } };
  // Readers want a value in it; it is of no account.
  const tensor = { dtype: tensorTypes.float, tensorShape: { dim: [{ size: 1 }] }, floatVal: [0] };
  return summary(place, [{ tag: `_hparams_/${name}`, metadata, tensor }]);
}
