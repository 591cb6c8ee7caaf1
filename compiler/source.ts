/**
 * Source text, and places in it.
 *
 * All files of a compilation share one line of offsets: each `Source` begins at its `base`. A span
 * is therefore two numbers, whichever file it lies in, and line and column are worked out only for
 * the few spans that are shown.
 *
 * @module
 */

/** A half-open range of UTF-16 offsets, `start <= end`, on the line that all sources share. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Source {
  /** As the user named it: a path, or "-" for standard input. */
  readonly name: string;
  readonly text: string;
  /** Offset of the text's first character. */
  readonly base: number;
}

/** A place as a person reads it: both numbers count from 1, columns in UTF-16 units. */
export interface Position {
  readonly source: Source;
  readonly line: number;
  readonly column: number;
}

/** The files of one compilation, in the order they were read. */
export class Sources {
  readonly #sources: Source[] = [];
  readonly #lineStarts = new Map<Source, readonly number[]>();

  /** Adds a file behind the ones before, one offset apart so that no span ends in the next file. */
  add(name: string, text: string): Source {
    const last = this.#sources.at(-1);
    const source = { name, text, base: last ? last.base + last.text.length + 1 : 0 };
    this.#sources.push(source);
    return source;
  }

  /** Names of the files, in the order they were read. */
  get names(): string[] {
    return this.#sources.map(({ name }) => name);
  }

  /** The place of an offset. Throws if it lies in no source. */
  position(offset: number): Position {
    const source = this.#sources.findLast((s) => s.base <= offset);
    if (!source || offset > source.base + source.text.length) {
      throw new Error(`Cannot place offset ${offset}: it is in no source`);
    }
    const starts = this.#startsOf(source);
    const at = offset - source.base;
    let line = 0;
    for (let step = 1 << 30; step > 0; step >>>= 1) {
      if (line + step < starts.length && starts[line + step]! <= at) line += step;
    }
    return { source, line: line + 1, column: at - starts[line]! + 1 };
  }

  /** The text of a span. */
  text({ start, end }: Span): string {
    const { source } = this.position(start);
    return source.text.slice(start - source.base, end - source.base);
  }

  /** The text from an offset to the end of its line, cut off (`more`) after `length` units. */
  excerpt(offset: number, length: number): { text: string; more: boolean } {
    const source = this.position(offset).source;
    const at = offset - source.base;
    const cut = source.text.slice(at, at + length + 1);
    const end = cut.search(/\r?\n/);
    const text = end >= 0 ? cut.slice(0, end) : cut.slice(0, length);
    return { text, more: end < 0 && cut.length > length };
  }

  #startsOf(source: Source): readonly number[] {
    let starts = this.#lineStarts.get(source);
    if (!starts) {
      const found = [0];
      for (let at = source.text.indexOf("\n"); at !== -1; at = source.text.indexOf("\n", at + 1)) {
        found.push(at + 1);
      }
      this.#lineStarts.set(source, starts = found);
    }
    return starts;
  }
}
