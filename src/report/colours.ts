// Colours that people with any colour vision tell apart: those of Okabe and Ito (Color Universal Design), then of Paul Tol.

const known: Readonly<Record<string, string>> = {
  none: '#c7c7c7',
  max_pool_3x3: '#56b4e9',
  avg_pool_3x3: '#0072b2',
  skip_connect: '#d55e00',
  sep_conv_3x3: '#009e73',
  sep_conv_5x5: '#f0e442',
  dil_conv_3x3: '#cc79a7',
  dil_conv_5x5: '#e69f00',
};
const others = ['#332288', '#88ccee', '#117733', '#ddcc77', '#882255', '#44aa99', '#999933', '#aa4499', '#000000'];

/** A colour for each operation, the same in every picture for those of DARTS. */
export function operationColours(operations: readonly string[]): ReadonlyMap<string, string> {
  const unknown = operations.filter((name) => !Object.hasOwn(known, name));
  const colourOf = (name: string) =>
    Object.hasOwn(known, name) ? known[name] : others[unknown.indexOf(name) % others.length];
  return new Map(operations.map((name) => [name, colourOf(name)] as const));
}

/** Colours of lines, of which a picture has a few. */
export const lineColours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'] as const;

/** Stops of viridis (matplotlib), from dark to light. */
const viridis = [
  '#440154',
  '#482878',
  '#3e4989',
  '#31688e',
  '#26828e',
  '#1f9e89',
  '#35b779',
  '#6ece58',
  '#b5de2b',
  '#fde725',
];

/** The colour of a share from 0 to 1, and that of a text on it. */
export function heatColour(share: number): { readonly fill: string; readonly text: string } {
  const place = Math.min(1, Math.max(0, share)) * (viridis.length - 1);
  const below = Math.min(viridis.length - 2, Math.floor(place));
  const channel = (hex: string, at: number) => Number.parseInt(hex.slice(at, at + 2), 16);
  const mixed = [1, 3, 5].map((at) => {
    const [a, b] = [channel(viridis[below], at), channel(viridis[below + 1], at)];
    return Math.round(a + (b - a) * (place - below));
  });
  const fill = `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
  return { fill, text: share > 0.6 ? '#111827' : '#ffffff' };
}

/** Of a text on a colour such as `#56b4e9`: dark, or white where that is read better (WCAG 2's contrast). */
export function textColourOn(colour: string): string {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return luminance > 0.179 ? '#111827' : '#ffffff';
}
