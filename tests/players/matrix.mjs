// Every player with every packaging that it knows: the whole walk.
import { soundDelay } from "./lib/checks.mjs";
import { CUES, LADDER, SECONDS, START_SECONDS } from "./lib/streams.mjs";
import { walk } from "./lib/walk.mjs";
import { test } from "./lib/test.mjs";

/** hls.js and Shaka Player begin a transport stream with its first decoding time, two pictures before the first is shown. */
export const TS = { expected: { lateFrames: 2 } };

/** Complaints about transport streams in these two, where the first 80 ms have no picture, or those after a seek. */
export const TS_START = [/jumped over a gap at \d+\.081/];
/** Streams in single files ask to be started here; DASH has no such thing. */
const START = { startsAt: START_SECONDS };

/**
 * Player, stream, manifest, and what differs from the usual. Shaka Player does with sound what it does with pictures, each
 * from its own first time, so that pictures of a transport stream come 60 ms late against it.
 */
const COMBINATIONS = [
  ["hls", "main", "cmaf/master.m3u8"],
  ["hls", "main", "ts/master.m3u8", { ...TS, known: TS_START }],
  ["dash", "main", "cmaf/manifest.mpd"],
  ["shaka", "main", "cmaf/manifest.mpd"],
  ["shaka", "main", "cmaf/master.m3u8"],
  ["shaka", "main", "ts/master.m3u8", { ...TS, skewMs: -60, known: TS_START }],
  ["hls", "single", "cmaf/master.m3u8", START],
  ["hls", "single", "ts/master.m3u8", { ...TS, ...START, known: TS_START }],
  ["dash", "single", "cmaf/manifest.mpd"],
  ["shaka", "single", "cmaf/manifest.mpd"],
  ["shaka", "single", "cmaf/master.m3u8", START],
  ["shaka", "single", "ts/master.m3u8", { ...TS, ...START, skewMs: -60, known: TS_START }],
];

/** Segments are 2 s long. */
const boundaries = Array.from({ length: 9 }, (_, at) => 2 * (at + 1));

/** How late the suite itself hears, by a file that ffmpeg made. */
export async function calibrate(world) {
  await world.streams.get("main.mp4");
  await world.watch("native", "main.mp4", async (screen) => {
    await screen.playTo(5.4);
    const { medianMs, flashes } = soundDelay(await screen.call("take"));
    if (flashes === 0) throw new Error("the suite cannot hear: no beep in a file that has some");
    world.calibrationMs = medianMs;
  });
}

export function matrix(world) {
  const plan = (more) => ({ seconds: SECONDS, boundaries, calibrationMs: world.calibrationMs, ...more });
  for (const [player, stream, manifest, more] of COMBINATIONS) {
    test(`${player} plays ${stream}/${manifest}`, async (t) => {
      await world.streams.get(stream);
      const full = plan({ ladder: LADDER, languages: ["en", "de"], cues: CUES, ...more });
      const texts = await world.watch(player, `${stream}/${manifest}`, (screen) => walk(screen, full));
      if (texts === 0) t.diagnostic("no text tracks in this stream: none were picked");
    });
  }
  for (const { width, height } of LADDER) {
    test(`the browser plays main/mp4/${width}x${height}.mp4`, async () => {
      await world.streams.get("main");
      await world.watch("native", `main/mp4/${width}x${height}.mp4`, (screen) => walk(screen, plan({})));
    });
  }
}
