/**
 * Makes text from a store or a token safe to print: characters that control a terminal, have no
 * width or look like a space become escapes.
 */

/** Every such character. The space itself is not one of them. */
const INVISIBLE = /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/gu;

/** @returns the text on one line, with `\u{...}` in place of each such character */
export function printable(text: string): string {
  return text.replace(INVISIBLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** @returns the same JSON, in which each such character is written as `\uXXXX` */
export function printableJson(json: string): string {
  return json.replace(INVISIBLE, (character) => {
    const units = Array.from({ length: character.length }, (_, index) => {
      return character.charCodeAt(index).toString(16).padStart(4, '0');
    });
    return units.map((unit) => `\\u${unit}`).join('');
  });
}
