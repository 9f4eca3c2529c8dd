/**
 * Draws what `npm run bench:peers` printed as a bar chart in SVG. A bar is the median time of its
 * contestant, divided by that of latchkey. The colours follow the light or dark scheme of the
 * reader. A viewer that ignores the scheme shows dark text on a white card.
 */

/** The contests of the chart, from top to bottom and by column. */
const COLUMNS = [
  ['sign', 'verify', 'verify, cached'],
  ['GET /hello', 'GET /hello, with a session', 'sign-in'],
] as const;

const WIDTH = 860;
const MARGIN = 24;
const COLUMN_WIDTH = (WIDTH - 3 * MARGIN) / 2;
const LABEL_WIDTH = 152;
const FIRST_PANEL_Y = 110;
const PANEL_TITLE_HEIGHT = 30;
const PANEL_GAP = 18;
const ROW_HEIGHT = 21;
const BAR_HEIGHT = 14;
/** A longer bar is cut, and its figure says how long it would be. */
const MAX_TIMES = 8;
const PIXELS_PER_TIME = 25;
/** The multiples that have a line and a label. */
const TICKS = [2, 4, 6, 8];

const NOTES = [
  'Shorter is faster. “bare” is the least that Node itself needs. A bar with a gap is cut.',
  'Sign-in: both at the scrypt cost of better-auth’s default. latchkey’s is four times as much.',
];

/** The colours of the light scheme, and those of the dark scheme for the same class. */
const COLOURS = {
  card: ['#ffffff', '#0d1117'],
  line: ['#d0d7de', '#3d444d'],
  text: ['#1f2328', '#f0f6fc'],
  muted: ['#59636e', '#9198a1'],
  latchkey: ['#0969da', '#4493f8'],
  peer: ['#8c959f', '#6e7681'],
} as const;
type Colour = keyof typeof COLOURS;

/** A contestant, with its time as a multiple of the time of latchkey. */
interface Bar {
  readonly way: string;
  readonly times: number;
}

const CACHE_OFF = 'latchkey, cache off';
const ROW = /^\| (.+?) \| (.+?) \| ([\d.]+) (µs|ms) \|/gm;

/**
 * @returns the bars of a contest, none if no run has measured it. Of the variants of latchkey only
 *   "cache off" has one, because most of the others remember no tokens.
 */
function barsOf(printed: string, contest: string): Bar[] {
  const medians = new Map<string, number>();
  for (const [, name, way = '', median, unit] of printed.matchAll(ROW)) {
    if (name === contest) medians.set(way, Number(median) * (unit === 'ms' ? 1000 : 1));
  }
  const own = medians.get('latchkey');
  if (own === undefined) return [];
  return [...medians]
    .filter(([way]) => !way.startsWith('latchkey,') || way === CACHE_OFF)
    .map(([way, median]) => ({ way, times: median / own }));
}

const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const figureOf = (times: number) => times.toFixed(times < 9.95 ? 1 : 0);

/** Places and sizes are in pixels. The attribute `fill` is for viewers that read no style. */
function text(x: number, y: number, colour: Colour, content: string, more = ''): string {
  const place = `x="${x}" y="${y}" class="${colour}" fill="${COLOURS[colour][0]}"${more}`;
  return `<text ${place}>${escaped(content)}</text>`;
}

function rectangle(x: number, y: number, width: number, height: number, colour: Colour): string {
  const size = `width="${width.toFixed(1)}" height="${height}"`;
  return `<rect x="${x}" y="${y}" ${size} class="${colour}" fill="${COLOURS[colour][0]}"/>`;
}

function colourOf(way: string): Colour {
  if (way === CACHE_OFF) return 'latchkey';
  if (way === 'bare') return 'muted';
  return way === 'latchkey' ? way : 'peer';
}

function drawBar({ way, times }: Bar, left: number, top: number): string[] {
  const x = left + LABEL_WIDTH;
  const textY = top + BAR_HEIGHT - 3;
  const isCut = times > MAX_TIMES;
  const width = Math.min(times, MAX_TIMES) * PIXELS_PER_TIME;
  const weight = way === 'latchkey' ? ' font-weight="600"' : '';
  // The figure of a short bar stands beside the line that marks latchkey, not on it.
  const figureX = Math.round(x + Math.max(width, PIXELS_PER_TIME) + 6);
  return [
    text(x - 8, textY, way === 'latchkey' ? 'text' : 'muted', way, ` text-anchor="end"${weight}`),
    rectangle(x, top, width, BAR_HEIGHT, colourOf(way)),
    // A gap near the end of the bar marks that it is cut.
    ...(isCut ? [rectangle(x + width - 14, top, 4, BAR_HEIGHT, 'card')] : []),
    text(figureX, textY, 'text', figureOf(times), weight),
  ];
}

function drawPanel(contest: string, bars: readonly Bar[], left: number, top: number): string[] {
  const firstRow = top + PANEL_TITLE_HEIGHT;
  const xOf = (times: number) => left + LABEL_WIDTH + times * PIXELS_PER_TIME;
  const lineHeight = bars.length * ROW_HEIGHT - 1;
  return [
    ...TICKS.flatMap((times) => [
      text(xOf(times), firstRow - 5, 'muted', String(times), ' font-size="9" text-anchor="middle"'),
      rectangle(xOf(times), firstRow - 3, 1, lineHeight, 'line'),
    ]),
    text(left, top + 14, 'text', contest, ' font-size="14" font-weight="600"'),
    rectangle(xOf(1), firstRow - 3, 1, lineHeight, 'muted'),
    ...bars.flatMap((bar, row) => drawBar(bar, left, firstRow + row * ROW_HEIGHT)),
  ];
}

function style(): string {
  const dark = Object.entries(COLOURS).map(([name, [, colour]]) => `.${name}{fill:${colour}}`);
  return `<style>@media (prefers-color-scheme: dark){${dark.join('')}}</style>`;
}

/**
 * @param printed what the benchmark printed: its line with Node, machine, commit and day, then the
 *   table of results
 * @returns the SVG
 * @throws Error if the output has no contest of the chart
 */
export function chartOf(printed: string): string {
  const [line = ''] = /^.*, commit .*/m.exec(printed) ?? [];
  // Between them are the versions of the packages, for which there is no room.
  const [where = '', rounds = ''] = [line.split('; ')[0], line.split('; ').at(-1)];
  const drawn: string[] = [];
  const summary: string[] = [];
  let bottom = 0;
  for (const [column, contests] of COLUMNS.entries()) {
    const left = MARGIN + column * (COLUMN_WIDTH + MARGIN);
    let top = FIRST_PANEL_Y;
    for (const contest of contests) {
      const bars = barsOf(printed, contest);
      if (bars.length === 0) continue;
      drawn.push(...drawPanel(contest, bars, left, top));
      const figures = bars.map(({ way, times }) => `${way} ${figureOf(times)}`).join(', ');
      summary.push(`${contest}: ${figures}.`);
      top += PANEL_TITLE_HEIGHT + bars.length * ROW_HEIGHT + PANEL_GAP;
    }
    bottom = Math.max(bottom, top);
  }
  if (drawn.length === 0) throw new Error('the output has no contest of the chart');
  const height = bottom + 24;
  const title = 'Time for the same work, as a multiple of latchkey’s';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}"`,
    `  height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<desc>${escaped([...NOTES, ...summary].join(' '))}</desc>`,
    style(),
    rectangle(0, 0, WIDTH, height, 'line').replace('/>', ' rx="8"/>'),
    rectangle(1, 1, WIDTH - 2, height - 2, 'card').replace('/>', ' rx="7"/>'),
    text(MARGIN, 40, 'text', title, ' font-size="18" font-weight="600"'),
    ...NOTES.map((note, line) => text(MARGIN, 62 + 18 * line, 'muted', note, ' font-size="13"')),
    ...drawn,
    text(MARGIN, height - 20, 'muted', `${where}; ${rounds}`, ' font-size="11"'),
    '</svg>',
    '',
  ].join('\n');
}
