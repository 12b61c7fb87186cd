// The page of the suite: one video element, one player at a time, and what can be seen and heard of it. The suite calls the
// methods of `window.stage`.
import { Ears } from "./ears.mjs";
import { Eyes } from "./eyes.mjs";
import { FPS } from "./pattern.mjs";

/** Milliseconds that a picture may take after its seek has ended. */
const PICTURE_MS = 2000;

const video = document.getElementById("video");
/** What went wrong since the stream was opened, in words. */
const troubles = [];
let engine;
let ears;
const eyes = new Eyes(video);

video.addEventListener("waiting", () => (stage.waits += 1));

const stage = {
  /** Times that playback has run dry, seeks included. */
  waits: 0,
  /** Opens a stream with `hls`, `dash`, `shaka` or `native`, paused. */
  async open(player, url, options = {}) {
    ears ??= await Ears.listen(video);
    const { open } = await import(`./${player}.mjs`);
    engine = await open(video, url, { ...options, troubles });
    return engine.version;
  },
  /** Not waited for: a stream that is broken may never play. */
  play: () => void video.play().catch((error) => error.name === "AbortError" || troubles.push(`browser: ${error}`)),
  pause: () => video.pause(),
  rate: (rate) => (video.playbackRate = rate),
  /** Seeks and resolves with the picture that is then on screen; with nothing when that takes too long. */
  async seek(time, patienceMs = 10_000) {
    const done = new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
    video.currentTime = time;
    await Promise.race([done, new Promise((resolve) => setTimeout(resolve, patienceMs))]);
    // The picture comes after the event, on a busy machine long after it.
    const began = performance.now();
    while (!video.seeking && performance.now() - began < PICTURE_MS) {
      const picture = eyes.look();
      if (picture && Math.abs(picture.time - time) < 1 / FPS) return picture;
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    return video.seeking ? undefined : eyes.look();
  },
  /** Steps through pictures by seeking to each time; what was seen there. It stops at one that does not come. */
  async step(times, patienceMs) {
    const pictures = [];
    for (const time of times) {
      pictures.push({ wanted: time, ...(await stage.seek(time, patienceMs)) });
      if (pictures.at(-1).time === undefined) break;
    }
    return pictures;
  },
  look: () => eyes.look(),
  hear: () => ears.now(),
  /** What was seen and heard since the last call. */
  take() {
    const taken = { seen: eyes.seen, beeps: ears.beeps };
    eyes.seen = [];
    ears.beeps = [];
    return taken;
  },
  state() {
    const ranges = (list) => Array.from({ length: list.length }, (_, at) => [list.start(at), list.end(at)]);
    const quality = video.getVideoPlaybackQuality();
    return {
      time: video.currentTime,
      duration: video.duration,
      paused: video.paused,
      ended: video.ended || (engine?.ended?.() ?? false),
      seeking: video.seeking,
      ready: video.readyState,
      width: video.videoWidth,
      height: video.videoHeight,
      buffered: ranges(video.buffered),
      seekable: ranges(video.seekable),
      dropped: quality.droppedVideoFrames,
      waits: stage.waits,
      troubles: [...troubles],
      growing: engine?.growing() ?? false,
    };
  },
  rungs: () => engine.rungs(),
  pickRung: (id) => void engine.pickRung(id),
  audio: () => engine.audio(),
  pickAudio: (id) => void engine.pickAudio(id),
  text: () => engine.text(),
  pickText: (id) => void engine.pickText(id),
  /** Shows the closed captions that are in the pictures. */
  pickCaptions: () => void engine.pickCaptions(),
  /** Cues of all text tracks that are on, as far as they are loaded. */
  cues: () =>
    [...video.textTracks]
      .filter((track) => track.mode !== "disabled")
      .flatMap((track) => [...(track.cues ?? [])].map((cue) => ({ from: cue.startTime, to: cue.endTime, text: cue.text }))),
  programTime: () => engine.programTime(),
  keyFrameLists: () => engine.keyFrameLists(),
  chapterList: () => engine.chapterList(),
  trick: (rate) => void engine.trick(rate),
  activeRung: () => engine.activeRung?.(),
  /** The part of a sheet that stands for a time: its address, and where in it, pixels. */
  thumbnail: (time) => engine.thumbnail(time),
  mute: () => (video.muted = true),
  /** Whether this browser decodes a type (MSE). */
  plays: (type) => MediaSource.isTypeSupported(type),
  close: () => engine.close(),
};

window.stage = stage;
