/** Counts what has happened during a run. */

/** How often each thing has happened. */
export class Counts {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** @returns one line for each, sorted by name */
  lines(): string[] {
    const sorted = [...this.#counts].sort(([one], [other]) => (one < other ? -1 : 1));
    return sorted.map(([name, count]) => `${count.toLocaleString('en').padStart(9)}  ${name}`);
  }
}
