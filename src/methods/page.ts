// docs/methods.md: the methods as their descriptions tell them.
import { describeRule, type SettingRule, usualPreset } from '../setting_rules.ts';
import type { Method } from './method.ts';
import { exampleLines } from './registry.ts';

/** The whole page in Markdown. */
export function methodsPage(methods: readonly Method[]): string {
  const head = [
    '# Methods',
    '',
    '<!-- Written by `npm run docs:methods` from src/methods; a test holds it to that. -->',
    '',
    ...table([
      ['command', 'method', 'what it is', 'paper', 'presets', 'spaces'],
      ...methods.map(({ command, name, title, paper, presets, spaces = [] }) => [
        `\`dartsmith ${command}\``,
        `[\`${name}\`](#${name})`,
        title,
        paper,
        Object.keys(presets).join(', '),
        spaces.join(', '),
      ]),
    ]),
  ];
  return `${[...head, ...methods.flatMap((method) => section(method, methods))].join('\n')}\n`;
}

function section(method: Method, among: readonly Method[]): string[] {
  const { name, description, presets, settings, measures } = method;
  const names = Object.keys(presets);
  const reported = measures.map((measure) => `\`${measure.name}\` (${measure.of})`).join(', ');
  return [
    ...['', `## ${name}`, '', description, ''],
    ...['```sh', ...exampleLines(method, among), '```', ''],
    ...table([
      ['setting', 'may be', ...names, 'meaning'],
      ...Object.entries(settings).map(([setting, rule]) => [
        `\`${setting}\``,
        describeRule(rule),
        ...names.map((preset) => String(presets[preset].settings[setting])),
        meaning(rule),
      ]),
    ]),
    ...[
      '',
      `${method.data === 'text' ? 'Words' : 'Images'} that a preset uses: ${names.map((preset) => `${preset} ${presets[preset].limit ?? 'all'}`).join(', ')}.`,
    ],
    ...names.flatMap((name) => {
      const { space, skeleton } = presets[name];
      return [
        ...(space === undefined
          ? []
          : ['', `The preset ${name} searches the space \`${space}\` unless another is given.`]),
        ...(skeleton === undefined || usualPreset(presets, skeleton) !== name
          ? []
          : ['', `The preset ${name} is taken for networks of the skeleton \`${skeleton}\` where nobody names one.`]),
      ];
    }),
    ...['', `Events and journal report ${reported}.`],
  ];
}

function meaning({ help }: SettingRule): string {
  return help.replaceAll('|', '\\|');
}

/** Columns as wide as their widest cell, so that the page is easy to read as text too. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  const [head, ...body] = rows.map(line);
  return [head, line(widths.map((width) => '-'.repeat(width))), ...body];
}
