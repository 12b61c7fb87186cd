// The walk through a stream that every player makes with every packaging.
import assert from "node:assert/strict";
import { calm, flows, isTone, right, soundDelay, steps, timesAround } from "./checks.mjs";

/** Seconds that playback goes on after each change, so that a change that breaks it is seen. */
const ON_SECONDS = 0.4;
/** Pictures that are seen of it at the least. */
const ON_PICTURES = 3;
/** How fast it plays meanwhile: some players change at the end of what is buffered. */
const SWITCHING_RATE = 2;
/** Sound may be so much earlier or later, against the pictures, than in the file that the suite calibrates with, ms. */
const SYNC_MS = 70;
/** Seconds that are played of a text track, and how often at most. */
const TEXT_SECONDS = 4;
const TEXT_TURNS = 5;

/**
 * What a walk expects.
 * @typedef {object} Plan
 * @property {import("./checks.mjs").Expected} [expected]
 * @property {number} seconds Length of the pictures.
 * @property {number} [soundSeconds] Length of the sound, where it is another.
 * @property {{width: number, height: number}[]} [ladder]
 * @property {string[]} [languages] Two letters each, the default first.
 * @property {Record<string, {from: number, to: number, text: string}[]>} [cues] By language, of text tracks.
 * @property {number[]} [boundaries] Seconds around which each picture is looked at.
 * @property {number} [startsAt] Seconds at which the stream asks to be started.
 * @property {number} [calibrationMs] How late sound comes in a file that is right.
 * @property {number} [skewMs] How much more that is with this player.
 * @property {RegExp[]} [known] Complaints that are no fault of the stream.
 * @property {number} [patienceMs]
 */

/** From where it begins: pictures flow, sound is that of the default track, and in time. @param {Plan} plan */
export async function begins(screen, plan) {
  const start = plan.startsAt ?? 0;
  const until = start + 5.4;
  const { time } = await screen.until("a first picture", ({ ready }) => ready >= 2, plan.patienceMs);
  assert.ok(Math.abs(time - start) < 0.1, `${screen.what}: it begins at ${time} s, not ${start} s`);
  await screen.call("take");
  const state = await screen.playTo(until, plan.patienceMs);
  await hears(screen, 0, plan);
  const taken = await screen.call("take");
  flows(taken.seen, plan.expected, screen.what);
  assert.ok(taken.seen.length > 20, `${screen.what}: only ${taken.seen.length} pictures were shown up to ${until} s`);
  if (plan.calibrationMs !== undefined) {
    const { medianMs, flashes } = soundDelay(taken);
    const late = Math.round(medianMs - plan.calibrationMs - (plan.skewMs ?? 0));
    assert.ok(flashes > 0, `${screen.what}: no beep was heard with ${taken.beeps.length} beeps in all`);
    assert.ok(Math.abs(late) <= SYNC_MS, `${screen.what}: sound is ${late} ms late against the pictures`);
  }
  calm(state, screen.what, plan.known);
}

/** Each rung, up and down. @param {Plan} plan */
export async function switches(screen, plan) {
  const rungs = (await screen.call("rungs")).sort((a, b) => a.width - b.width);
  const sizes = rungs.map(({ width, height }) => ({ width, height }));
  assert.deepEqual(sizes, [...plan.ladder].sort((a, b) => a.width - b.width), `${screen.what}: rungs`);
  // From wherever it is: all the way down, up step by step, and down again step by step.
  const upAndDown = [...rungs, ...[...rungs].reverse().slice(1)];
  await screen.call("seek", 1);
  await screen.call("rate", SWITCHING_RATE);
  for (const { id, width, height } of upAndDown) {
    await screen.call("take");
    await screen.call("pickRung", id);
    await screen.call("play");
    const shows = async (state) => {
      if (state.time > plan.seconds - 5) await screen.call("seek", 1);
      return state.width === width && state.height === height && !state.seeking;
    };
    const { time } = await screen.until(`rung ${width}x${height} to be shown`, shows, plan.patienceMs);
    const state = await goesOn(screen, time, plan, (picture) => picture.width === width && picture.time >= time);
    calm(state, screen.what, plan.known);
  }
  await screen.call("rate", 1);
}

/** From a time on, pictures of the kind that is meant are the right ones. @param {Plan} plan @returns The state. */
async function goesOn(screen, time, plan, meant) {
  const shown = [];
  const state = await screen.until("playback to go on", async (state) => {
    shown.push(...(await screen.call("take")).seen.filter(meant));
    // A busy machine shows few pictures of many.
    return shown.length >= ON_PICTURES && (state.time > time + ON_SECONDS || state.time < time || state.ended);
  }, plan.patienceMs);
  // Not `flows`: a player that replaces what it has buffered may step back by some pictures.
  right(shown, plan.expected, screen.what);
  return state;
}

/** Each sound. @param {Plan} plan */
export async function picksSound(screen, plan) {
  const tracks = await screen.call("audio");
  assert.deepEqual(tracks.map(({ language }) => language), plan.languages, `${screen.what}: languages`);
  // The default first, unasked: what is heard after a choice must not have been there before it.
  await screen.call("seek", 3);
  await screen.call("play");
  await hears(screen, 0, plan);
  for (const track of [...plan.languages.keys()].reverse()) {
    await screen.call("seek", 6 + 3 * track);
    await screen.call("play");
    await screen.call("pickAudio", tracks[track].id);
    await hears(screen, track, plan);
  }
}

/** Each text track, if there are any. @param {Plan} plan @returns {Promise<number>} How many there are. */
export async function picksText(screen, plan) {
  const tracks = await screen.call("text");
  for (const { id, language } of tracks) {
    const all = plan.cues?.[language];
    assert.ok(all, `${screen.what}: there is a text track in \`${language}\`, of which nothing is expected`);
    await shows(screen, id, language, all, plan);
  }
  return tracks.length;
}

/**
 * The cues of a text track come when their time is played. No seek stands before it if it can be helped: Shaka Player gives the cues of HLS only
 * once pictures were appended after the last seek, which never happens where all of them are buffered.
 * @param {Plan} plan
 */
async function shows(screen, id, language, all, plan) {
  const seen = new Map();
  // In transport streams cues are as late as pictures are.
  const near = (a, b) => Math.abs(a - b) < 0.15;
  const isSeen = (one) => [...seen.values()].some(({ from, to, text }) => near(from, one.from) && near(to, one.to) && text.includes(one.text));
  let wanted = [];
  // Players take away what they have gone past, so that a look may come too late on a busy machine: then once more.
  for (let turn = 0; turn < TEXT_TURNS && !(wanted.length > 0 && wanted.every(isSeen)); turn += 1) {
    if ((await screen.call("state")).time > plan.seconds - TEXT_SECONDS) await screen.call("seek", 0);
    await screen.call("pickText", id);
    await screen.call("play");
    const { time } = await screen.call("state");
    wanted = all.filter(({ from, to }) => from <= time + 3 && to >= time + 1);
    assert.ok(wanted.length > 0, `${screen.what}: no cue of \`${language}\` is left after ${time} s`);
    const past = async (state) => {
      for (const cue of await screen.call("cues")) seen.set(JSON.stringify(cue), cue);
      return wanted.every(isSeen) || state.time > time + TEXT_SECONDS || state.ended;
    };
    await screen.until(`cues of \`${language}\``, past, plan.patienceMs);
    await screen.call("pickText", null);
  }
  const told = JSON.stringify([...seen.values()]);
  assert.ok(wanted.every(isSeen), `${screen.what}: of \`${language}\` ${JSON.stringify(wanted)} should be seen, and these were: ${told}`);
}

/** Into the middle, near the end, back to the start, and on from each. @param {Plan} plan */
export async function seeks(screen, plan) {
  const { seconds } = plan;
  for (const time of [seconds / 2 + 0.3, seconds - 1.5, 0.1, seconds * 0.7 + 0.3]) {
    await screen.call("pause");
    const target = Math.floor(time * 25) / 25 + 0.02;
    steps(await screen.call("step", [target], plan.patienceMs), plan.expected, screen.what);
    await screen.call("take");
    const { time: at } = await screen.playTo(target, plan.patienceMs);
    assert.ok(at < target + 5, `${screen.what}: after a seek to ${target} s it jumped to ${at} s`);
    if (target + 1.5 < (plan.soundSeconds ?? seconds)) await hears(screen, 0, plan);
    await goesOn(screen, target, plan, () => true);
  }
}

/** Each picture on both sides of each boundary between segments. @param {Plan} plan */
export async function joints(screen, plan) {
  await screen.call("pause");
  const last = plan.seconds - 0.5;
  const times = timesAround(plan.boundaries ?? [], 3).filter((time) => time < last);
  steps(await screen.call("step", times, plan.patienceMs), plan.expected, screen.what);
}

/** The last picture comes, and then the end. @param {Plan} plan */
export async function ends(screen, plan) {
  await screen.call("seek", plan.seconds - 1);
  await screen.call("take");
  await screen.call("play");
  const state = await screen.until("the end", ({ ended }) => ended, plan.patienceMs);
  const { seen } = await screen.call("take");
  flows(seen, plan.expected, screen.what);
  const last = await screen.call("look");
  const late = (plan.expected?.lateFrames ?? 0) / 25;
  const missing = plan.seconds + late - 0.04 - last.time;
  assert.ok(Math.abs(missing) < 0.03, `${screen.what}: the last picture is that of ${last.time} s, ${plan.seconds} s long`);
  calm(state, screen.what, plan.known);
}

/** A track's tone, of this time. @param {Plan} plan */
export async function hears(screen, track, plan) {
  let heard;
  const tone = async () => {
    heard = await screen.call("hear");
    const { time } = await screen.call("state");
    return isTone(heard, track, time, plan.expected);
  };
  try {
    await screen.until(`the tone of sound track ${track}`, tone, plan.patienceMs);
  } catch (error) {
    throw new Error(`${error.message}; heard was ${JSON.stringify(heard)}`);
  }
}

/** The whole walk. @param {Plan} plan @returns {Promise<number>} Text tracks. */
export async function walk(screen, plan) {
  await begins(screen, plan);
  const texts = await picksText(screen, plan);
  await joints(screen, plan);
  if (plan.ladder) await switches(screen, plan);
  if (plan.languages) await picksSound(screen, plan);
  await seeks(screen, plan);
  await ends(screen, plan);
  return texts;
}
