// What must be true of what was seen and heard. Each check throws an error that says which picture, tone or track is wrong.
import assert from "node:assert/strict";
import { FPS, FLASH } from "../page/pattern.mjs";

/**
 * The parts of which a stream consists: from `from` seconds on, the file `file` is shown from its own second `at` on.
 * @typedef {{from: number, file?: number, at?: number}} Part
 * @typedef {{parts?: Part[], lateFrames?: number}} Expected `lateFrames`: pictures come so many frames late.
 */

/** The picture that belongs to a time, s. */
export function pictureAt(time, { parts = [{ from: 0 }], lateFrames = 0 } = {}) {
  // Times of pictures are rounded, in TS to 1/90,000 s and in some players to ms.
  const frame = Math.round(time * FPS) - lateFrames;
  const part = parts.findLast(({ from }) => Math.round(from * FPS) <= frame) ?? parts[0];
  return { number: frame - Math.round(part.from * FPS) + Math.round((part.at ?? 0) * FPS), file: part.file ?? 0 };
}

/** Each picture is the one of its time. */
export function right(pictures, expected, what) {
  assert.ok(pictures.length > 0, `${what}: no picture was seen`);
  for (const { time, code, width } of pictures) {
    const wanted = pictureAt(time, expected);
    const place = `${what}: at ${time.toFixed(3)} s, ${width} wide`;
    assert.ok(code, `${place}, the picture cannot be read; it should be ${wanted.number} of file ${wanted.file}`);
    assert.deepEqual(code, wanted, `${place}, there is picture ${code.number} of file ${code.file} instead of ${wanted.number} of file ${wanted.file}`);
  }
}

/** Pictures that were seen while it played: right, and never one from before. */
export function flows(seen, expected, what) {
  right(seen, expected, what);
  for (const [at, picture] of seen.entries()) {
    const before = seen[at - 1]?.time ?? -1;
    assert.ok(picture.time >= before, `${what}: ${picture.time} s was shown after ${before} s`);
  }
}

/** Pictures that were stepped to: each is there, and the very one that was asked for. */
export function steps(pictures, expected, what) {
  const shown = pictures.filter(({ time }) => time !== undefined);
  for (const { wanted, time } of shown) {
    assert.ok(Math.abs(wanted - time) < 1 / FPS, `${what}: asked for ${wanted} s, shown was the picture of ${time} s`);
  }
  if (shown.length > 0) right(shown, expected, what);
  const missing = pictures.find(({ time }) => time === undefined);
  assert.equal(missing, undefined, `${what}: the seek to ${missing?.wanted} s never ended, or nothing was shown`);
}

/** Times in the middle of each picture around boundaries: `around` pictures before, and as many after. */
export function timesAround(boundaries, around) {
  const frames = boundaries.flatMap((time) => {
    const first = Math.round(time * FPS) - around;
    return Array.from({ length: 2 * around }, (_, step) => first + step);
  });
  return frames.filter((frame) => frame >= 0).map((frame) => (frame + 0.5) / FPS);
}

/** What is heard is the track's tone of about now. Sound is looked at some time after it was played. */
export function isTone(heard, track, time, { parts = [{ from: 0 }] } = {}) {
  if (!heard?.tone || heard.tone.track !== track) return false;
  const second = (moment) => {
    const part = parts.findLast(({ from }) => from <= moment) ?? parts[0];
    return Math.floor(moment - part.from + (part.at ?? 0));
  };
  return heard.tone.second >= second(Math.max(0, time - 0.6)) && heard.tone.second <= second(time + 0.2);
}

/**
 * How much later sound comes than the pictures, ms: the median over flashes that have a beep. Where a busy machine has left
 * out the first pictures of a flash, another of them tells when it began.
 * @returns {{medianMs: number, flashes: number}}
 */
export function soundDelay({ seen, beeps }) {
  const white = seen.filter(({ flash, code, shownAt }) => flash && code && shownAt !== undefined);
  const sinceStart = ({ number }) => ((number * 1000) / FPS - FLASH.firstMs) % FLASH.everyMs;
  const first = white.filter(({ time }, at) => at === 0 || time - white[at - 1].time > FLASH.everyMs / 2000);
  const pairs = first.flatMap(({ shownAt, code }) => {
    const began = shownAt - sinceStart(code);
    const delays = beeps.map(({ at }) => at - began).filter((delay) => Math.abs(delay) < FLASH.everyMs / 2);
    return delays.length > 0 ? [delays.reduce((a, b) => (Math.abs(a) < Math.abs(b) ? a : b))] : [];
  });
  pairs.sort((a, b) => a - b);
  return { medianMs: pairs[Math.floor(pairs.length / 2)], flashes: pairs.length };
}

/** Nothing went wrong but what is known to. */
export function calm(state, what, known = []) {
  const troubles = state.troubles.filter((trouble) => !known.some((pattern) => pattern.test(trouble)));
  assert.deepEqual(troubles, [], `${what}: the player complained`);
}
