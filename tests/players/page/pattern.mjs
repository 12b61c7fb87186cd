// The code in pictures and sound of the sources: written by lib/source.mjs, read back in the browser by page/eyes.mjs and
// page/ears.mjs. Both sides import this file, so there is one definition of it.
//
// Pictures: the lowest quarter is a row of BLOCKS black or white blocks. From the left: 11 bits of the frame's number in its
// file, 2 bits that tell the file, 3 bits with the number of ones among those, so that a mix of two pictures or a picture
// that did not decode is told from a number. The rest is a moving slope that turns white for a flash.
//
// Sound: one tone, whose frequency tells the track and the second of the file, and a beep with each flash.

/** Frames a second of every source. */
export const FPS = 25;
/** Blocks side by side. */
export const BLOCKS = 16;
/** The row of blocks begins at this share of the height. */
export const ROW_TOP = 0.75;
/** Milliseconds from one flash to the next, before the first, and how long each lasts; the beep is as long. */
export const FLASH = { everyMs: 2000, firstMs: 1000, lengthMs: 120 };
/** Hz of the beep. */
export const BEEP_HZ = 5000;

const NUMBER_BITS = 11;
const FILE_BITS = 2;

/** The bits of a picture, from the left. */
export function bitsOf(number, file) {
  const bits = [];
  for (let bit = NUMBER_BITS - 1; bit >= 0; bit -= 1) bits.push((number >> bit) & 1);
  for (let bit = FILE_BITS - 1; bit >= 0; bit -= 1) bits.push((file >> bit) & 1);
  const ones = bits.reduce((sum, bit) => sum + bit, 0);
  for (const bit of [2, 1, 0]) bits.push((ones >> bit) & 1);
  return bits;
}

/** What bits say; undefined where they contradict themselves. */
export function fromBits(bits) {
  const value = (from, to) => bits.slice(from, to).reduce((sum, bit) => sum * 2 + bit, 0);
  const payload = NUMBER_BITS + FILE_BITS;
  const ones = bits.slice(0, payload).reduce((sum, bit) => sum + bit, 0);
  if (ones % 8 !== value(payload, BLOCKS)) return undefined;
  return { number: value(0, NUMBER_BITS), file: value(NUMBER_BITS, payload) };
}

/** Hz of a track's tone in a second of its file. Tracks lie 1200 Hz apart, seconds 24 Hz, of which there are at most 45. */
export function toneHz(track, second) {
  return 480 + 1200 * track + 24 * second;
}

/** The track and the second that a frequency stands for; undefined for what is no tone of ours. */
export function fromHz(hz) {
  const track = Math.floor((hz - 468) / 1200);
  const second = (hz - 480 - 1200 * track) / 24;
  const whole = Math.round(second);
  if (track < 0 || track > 2 || Math.abs(second - whole) > 0.34) return undefined;
  return { track, second: whole };
}

/** Whether the picture is white, and the beep on, at a time in its file. */
export function isFlash(ms) {
  const since = ms - FLASH.firstMs;
  return since >= 0 && since % FLASH.everyMs < FLASH.lengthMs;
}
