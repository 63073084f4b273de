import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { writeFileAtomic } from '../io/atomic.ts';
import { fileError } from '../io/file_error.ts';
import { drawClusters, drawCorrelations } from '../report/draw_features.ts';
import { rasterise } from '../report/rasterise.ts';
import { type EdgeFeatures, edgeChoices, type FeatureOptions, type Features, findFeatures } from '../run/features.ts';
import { formatTable } from './format.ts';
import { listenForInterrupt, worded } from './interrupt.ts';
import { createLiveLine } from './live_line.ts';
import { choiceParser, integerParser, textParser } from './options.ts';
import { isLiveTerminal } from './paint.ts';
import { addDeviceOptions, type DeviceFlags, withDeviceOptions } from './run_command.ts';

const examples = `
Examples:
  dartsmith features runs/stac
  dartsmith features runs/mine --images 2000 --edges all --out features
  dartsmith features runs/stac --stage search2 --json

Of every edge that is looked at: corr_cellC_nodeN_edgeE.txt, pictures of the
candidates in 2 to 4 groups; correlation.svg and .png of all edges, and
features.json. Candidates that correlate compete: StacNAS (arXiv:1909.11926)
takes one of each group in its first stage.`;

/** Options of the command line. */
interface FeatureFlags
  extends Pick<FeatureOptions, 'stage' | 'images' | 'edges' | 'groups' | 'dataDir' | 'workers'>,
    DeviceFlags {
  readonly out?: string;
  readonly json?: boolean;
}

/** Adds `dartsmith features`. */
export function addFeaturesCommand(program: Command): void {
  const command = program
    .command('features')
    .summary("how the candidates of a search's edges correlate, and the groups that this suggests")
    .description("Correlates what the candidates of a searched supernet's edges compute over training images.")
    .argument('<run>', 'the run directory of a search')
    .option('--stage <name>', 'of a search in stages: which (default: the first)', textParser('--stage', 'a stage'))
    .option('--images <number>', 'training images, in random order (default: 10000)', integerParser('--images', 2))
    .option(
      '--edges <which>',
      'ends, the first and the last of every cell, or all (default: ends)',
      choiceParser('--edges', edgeChoices),
    )
    .option('--groups <number>', 'groups that are proposed (default: by the widest gap)', integerParser('--groups', 1))
    .option('--data-dir <folder>', "the data's files (default: the run's)", textParser('--data-dir', 'a folder'));
  addDeviceOptions(command);
  command
    .option('-o, --out <folder>', 'where files go (default: RUN/features)', textParser('--out', 'a folder'))
    .option('--json', 'print what features.json holds, and write nothing')
    .addHelpText('after', examples)
    .action(features);
}

async function features(run: string, { out, json = false, ...flags }: FeatureFlags): Promise<void> {
  const interrupt = listenForInterrupt(() => {});
  const live = json || !isLiveTerminal(process.stdout, process.env) ? undefined : createLiveLine(process.stdout);
  try {
    const given = Object.entries(withDeviceOptions(flags)).filter(([, value]) => value !== undefined);
    const found = await findFeatures({
      ...Object.fromEntries(given),
      run,
      signal: interrupt.signal,
      onProgress: (done, images) => live?.draw(() => `${done} of ${images} images`, done === images),
    });
    live?.close();
    if (json) return void process.stdout.write(`${JSON.stringify(found)}\n`);
    const folder = out ?? join(run, 'features');
    await writeFeatures(folder, run, found);
    process.stdout.write(`${[...report(found), `wrote ${folder}`].join('\n')}\n`);
  } catch (error) {
    throw worded(error);
  } finally {
    live?.close();
    interrupt[Symbol.dispose]();
  }
}

async function writeFeatures(folder: string, run: string, found: Features): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError('write', folder, error);
  });
  const write = (name: string, contents: string | Uint8Array) => writeFileAtomic(join(folder, name), contents);
  const draw = async (name: string, svg: string) => {
    await write(`${name}.svg`, svg);
    await write(`${name}.png`, await rasterise(svg));
  };
  await write('features.json', `${JSON.stringify(found, null, 2)}\n`);
  await draw('correlation', drawCorrelations(run, found.edges));
  for (const edge of found.edges) {
    await write(`corr_${placeOf(edge)}.txt`, correlationText(edge));
    for (const { groups, assignment } of edge.clusters) {
      await draw(`dist_${placeOf(edge)}_group${groups}`, drawClusters(edge, assignment));
    }
  }
}

/** As the published files are named. */
function placeOf({ cell, node, input }: EdgeFeatures): string {
  return `cell${cell}_node${node}_edge${input}`;
}

/** As the published files are written. */
function correlationText({ correlation }: EdgeFeatures): string {
  return correlation.map((row) => `${row.map((value) => value.toFixed(4).padStart(8)).join(',')}\n`).join('');
}

function report({ stage, images, edges, proposal }: Features): string[] {
  const head = `stage ${stage}: ${edges.length} edges, ${images} images`;
  if (proposal === undefined) return [head, 'edges have different candidates, so that no groups are proposed for all'];
  const { candidates, correlation, groups } = proposal;
  const rows = correlation.map((row, i) => [candidates[i], ...row.map((value) => value.toFixed(3))]);
  return [
    head,
    '',
    'mean correlation over the edges',
    ...formatTable(
      [['', ...candidates], ...rows],
      candidates.map((_, column) => column + 1),
    ),
    '',
    `groups: ${groups.map((names) => `{${names.join(', ')}}`).join(' ')}`,
  ];
}
