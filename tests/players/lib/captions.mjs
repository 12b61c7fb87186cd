// Closed captions for sources: cues of line 21 (CTA-608-E) as messages of H.264 (ATSC A/53 Part 4).
import { FPS } from "../page/pattern.mjs";

const RESUME_CAPTION_LOADING = [0x14, 0x20];
const ERASE_HIDDEN = [0x14, 0x2e];
const LOWEST_ROW = [0x14, 0x70];
const END_OF_CAPTION = [0x14, 0x2f];
const ERASE_SHOWN = [0x14, 0x2c];
const NOTHING = [0, 0];

/**
 * The pairs of the first channel by picture: what is said is written in the pictures before it pops on.
 * @param {{from: number, to: number, text: string}[]} cues Times in seconds.
 */
function pairs(cues) {
  const all = new Map();
  for (const { from, to, text } of cues) {
    const letters = [...(text.length % 2 === 0 ? text : `${text} `)].map((letter) => letter.charCodeAt(0));
    const words = letters.flatMap((letter, at) => (at % 2 === 0 ? [[letter, letters[at + 1]]] : []));
    const written = [RESUME_CAPTION_LOADING, ERASE_HIDDEN, LOWEST_ROW, ...words];
    const shown = Math.round(from * FPS);
    for (const [at, pair] of written.entries()) all.set(shown - written.length + at, pair);
    all.set(shown, END_OF_CAPTION);
    all.set(Math.round(to * FPS), ERASE_SHOWN);
  }
  return all;
}

const odd = (byte) => (byte.toString(2).replaceAll("0", "").length % 2 === 0 ? byte | 0x80 : byte);

function message(pair) {
  const data = [0xb5, 0x00, 0x31, ...Buffer.from("GA94"), 0x03, 0xc1, 0xff, 0xfc, ...pair.map(odd), 0xff];
  return Buffer.from([0, 0, 0, 1, 6, 4, data.length, ...data, 0x80]);
}

/**
 * H.264 with start codes, one slice a picture, in the order in which pictures are shown, with captions at each.
 * @param {Buffer} plain
 */
export function withCaptions(plain, cues) {
  const said = pairs(cues);
  const parts = [];
  let from = 0;
  let number = 0;
  for (let at = plain.indexOf("\0\0\x01", 0, "latin1"); at >= 0; at = plain.indexOf("\0\0\x01", at + 3, "latin1")) {
    const kind = plain[at + 3] & 0x1f;
    if (kind !== 1 && kind !== 5) continue;
    const begin = plain[at - 1] === 0 ? at - 1 : at;
    parts.push(plain.subarray(from, begin), message(said.get(number) ?? NOTHING));
    from = begin;
    number += 1;
  }
  return Buffer.concat([...parts, plain.subarray(from)]);
}
