/**
 * Lines of styled text that fit a width.
 *
 * @module
 */

export type Style = "bold" | "faint" | "good" | "bad" | "accept" | "drop" | "reject" | "match";
/** A line is pieces of text, each in at most one style. */
export type Line = readonly (string | readonly [Style, string])[];

/** Of what goes on in another line: as wide as a figure before its text. */
const INDENT = " ".repeat(7);

/** A line as lines of at most `columns` characters, unless a word is longer. */
export function wrapped(line: Line, columns: number): Line[] {
  const lines: Line[number][][] = [[]];
  let width = 0;
  for (const piece of line) {
    const [style, text] = typeof piece === "string" ? [undefined, piece] : piece;
    for (const word of text.match(/\s*\S+|\s+$/g) ?? []) {
      const breaks = width > 0 && width + word.length > columns;
      if (breaks) lines.push([]);
      const fits = breaks ? INDENT + word.trimStart() : word;
      width = (breaks ? 0 : width) + fits.length;
      lines.at(-1)!.push(style ? [style, fits] : fits);
    }
  }
  return lines;
}

/** A line's first `columns` characters. */
export function cut(line: Line, columns: number): Line {
  let left = columns;
  return line.map((piece) => {
    const [style, text] = typeof piece === "string" ? [undefined, piece] : piece;
    const fits = text.slice(0, left);
    left -= fits.length;
    return style ? [style, fits] as const : fits;
  });
}
