/** One line through points (x, y), both positive. */
export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const [width, height, margin] = [360, 260, 56];

/** Charts side by side, both axes logarithmic: growth in proportion is a line of slope one. */
export function chartsToSvg(charts: readonly Chart[], yLabel: string): string {
  const panels = charts.map((chart, i) => `<g transform="translate(${i * width},0)">${panel(chart, yLabel)}</g>`);
  const total = charts.length * width;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total} ${height}" width="${total}" height="${height}"`,
    ` font-family="Arimo, Helvetica, sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>`,
    `${panels.join('\n')}</svg>\n`,
  ].join('');
}

function panel({ title, xLabel, points }: Chart, yLabel: string): string {
  const x = scale(
    points.map(([value]) => value),
    margin,
    width - 16,
  );
  const y = scale(
    points.map(([, value]) => value),
    height - margin + 16,
    36,
  );
  const path = points.map(([a, b], i) => `${i === 0 ? 'M' : 'L'}${x(a)},${y(b)}`).join('');
  const marks = points.map(([a, b]) => {
    const label = `<text x="${x(a)}" y="${y(b) - 8}" text-anchor="middle">${Math.round(b)}</text>`;
    const tick = `<text x="${x(a)}" y="${height - 24}" text-anchor="middle" fill="#666">${a}</text>`;
    return `<circle cx="${x(a)}" cy="${y(b)}" r="3" fill="#1d4ed8"/>${label}${tick}`;
  });
  return [
    `<text x="${width / 2}" y="18" text-anchor="middle" font-size="13" font-weight="bold">${title}</text>`,
    `<path d="${path}" fill="none" stroke="#1d4ed8" stroke-width="1.5"/>${marks.join('')}`,
    `<text x="${width / 2}" y="${height - 8}" text-anchor="middle" fill="#666">${xLabel}</text>`,
    `<text transform="translate(14,${height / 2}) rotate(-90)" text-anchor="middle" fill="#666">${yLabel}</text>`,
  ].join('');
}

/** Logarithmic from the range of values to pixels; a single value lies in the middle. */
function scale(values: readonly number[], from: number, to: number): (value: number) => number {
  const low = Math.log(Math.min(...values));
  const span = Math.log(Math.max(...values)) - low;
  return (value) => Math.round(from + (to - from) * (span === 0 ? 0.5 : (Math.log(value) - low) / span));
}
