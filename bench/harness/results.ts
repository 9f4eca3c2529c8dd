/** `bench/RESULTS.md`, which holds the output of each benchmark on each version of Node. */

/** Major versions of Node: the newest with long-term support, and the oldest that is supported. */
export const NODES: readonly string[] = ['24', '20'];

/** @returns the parts of a text: what comes before the first heading, and each section */
function splitAt(mark: '##' | '###', text: string): [before: string, ...sections: string[]] {
  const [before = '', ...sections] = text.split(new RegExp(`^(?=${mark} )`, 'm'));
  return [before, ...sections];
}

const headingFor = (name: string) => `## \`npm run ${name}\`\n`;
const nodeHeading = (node: string) => `### Node ${node}\n`;

/** @returns the output of a benchmark on one version of Node, empty if there is none */
export function outputIn(results: string, name: string, node: string): string {
  const section = splitAt('##', results).find((text) => text.startsWith(headingFor(name))) ?? '';
  const own = splitAt('###', section).find((text) => text.startsWith(nodeHeading(node))) ?? '';
  return own.slice(nodeHeading(node).length).trim();
}

/**
 * @param results the text of RESULTS.md
 * @param name the benchmark, as in package.json
 * @param node one of NODES
 * @returns the text with this output in the place of the last one on this version of Node
 */
export function recorded(results: string, name: string, node: string, output: string): string {
  const [before, ...sections] = splitAt('##', results);
  const isOwn = (section: string) => section.startsWith(headingFor(name));
  if (!sections.some(isOwn)) sections.push(headingFor(name));
  const withOutput = (section: string): string => {
    const [introduction] = splitAt('###', section);
    const outputs = NODES.flatMap((each) => {
      const text = each === node ? output.trim() : outputIn(results, name, each);
      return text === '' ? [] : [nodeHeading(each), text];
    });
    return [introduction, ...outputs].map((text) => text.trim()).join('\n\n');
  };
  const texts = sections.map((section) => (isOwn(section) ? withOutput(section) : section.trim()));
  return `${[before.trim(), ...texts].join('\n\n')}\n`;
}
