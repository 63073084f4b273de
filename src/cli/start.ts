import type { StageEvent, StartEvent } from '../run/events.ts';
import { formatClasses, formatCount } from './format.ts';
import { quoted } from './shell.ts';

/** Lines for people as a search begins: where it goes on, its data and what is to be known of them, network and device. */
export function startLines(event: StartEvent): string[] {
  const { layers, parameters, device, previousDevice } = event;
  const before = previousDevice === undefined ? '' : ` (until now on ${previousDevice})`;
  const isSearch = event.run !== 'train';
  return [
    ...resumption(event),
    event.vocabulary === undefined ? imagesText(event) : textText(event),
    ...event.notices,
    `${isSearch ? 'supernet' : 'network'}: ${layers} ${layers === 1 ? 'cell' : 'cells'}, ${formatCount(parameters)} parameters, on ${device}${before}`,
    ...(event.stageName === undefined ? [] : [stageText({ name: event.stageName, epochs: event.epochs })]),
  ];
}

function imagesText(event: StartEvent): string {
  const { dataset, run, trainImages = 0, validationImages = 0, imageShape = [], classes = 0 } = event;
  const others = validationImages === 0 ? '' : ` and ${validationImages} ${run === 'train' ? 'test' : 'validation'}`;
  // A random search looks at no image.
  const counts = trainImages === 0 ? 'images ' : `${trainImages} training${others} images `;
  return `${dataset}: ${counts}${imageShape.join('x')} of ${formatClasses(classes)}`;
}

function textText({ dataset, trainWords = 0, validationWords = 0, vocabulary }: StartEvent): string {
  return `${dataset}: ${trainWords} training and ${validationWords} validation words, ${vocabulary} different ones`;
}

/** A line for people as a stage begins. */
export function stageText({ name, layers, parameters, epochs }: Omit<StageEvent, 'type' | 'stage' | 'steps'>): string {
  const network =
    layers === undefined || parameters === undefined ? '' : `${layers} cells, ${formatCount(parameters)} parameters, `;
  return `stage ${name}: ${network}${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}`;
}

/** Epochs and steps count from 1 for people. */
function resumption({ resumed, directory = '', epochs, steps }: StartEvent): string[] {
  if (resumed === undefined) return [];
  const run = quoted(directory);
  if (resumed.epoch === epochs) return [`${run} was done already`];
  // All steps of an epoch may lie behind a run that has its validation still before it.
  const step = resumed.step < steps ? `step ${resumed.step + 1}/${steps}` : 'validation';
  return [`resuming ${run} at epoch ${resumed.epoch + 1}/${epochs}, ${step}`];
}
