// HLS by hls.js, in the terms of page/stage.mjs.
import { script } from "./script.mjs";

/**
 * What hls.js tells of that is no fault: a buffer that is full, a request that it has given up itself, a segment that
 * replaces one of another rung, and waiting, which a busy machine makes it do. A segment that lies elsewhere than it
 * should is seen in its pictures; holes in the media have words of their own (bufferSeekOverHole, bufferNudgeOnStall).
 */
const HARMLESS = new Set(["bufferFullError", "aborted", "bufferAppendNoProgress", "bufferStalledError"]);

export async function open(video, url, { start, troubles }) {
  await script("/lib/hls.js/dist/hls.min.js");
  const { Hls } = window;
  const { Events } = Hls;
  const config = { enableWorker: true, backBufferLength: 60, maxBufferLength: 10, maxMaxBufferLength: 10 };
  const hls = new Hls(start === undefined ? config : { ...config, startPosition: start });
  hls.on(Events.ERROR, (_, data) => {
    if (!data.fatal && HARMLESS.has(data.details)) return;
    const where = data.frag?.relurl ?? data.url ?? "";
    troubles.push(`hls.js: ${data.fatal ? "fatal " : ""}${data.details} ${where} ${data.error?.message ?? ""}`.trim());
  });
  const sessionData = new Promise((done) => hls.once(Events.MANIFEST_LOADED, (_, data) => done(data.sessionData)));
  const parsed = new Promise((done) => hls.once(Events.MANIFEST_PARSED, done));
  hls.loadSource(url);
  hls.attachMedia(video);
  await parsed;
  return {
    version: Hls.version,
    rungs: () =>
      hls.levels.map((level, id) => ({ id, width: level.width, height: level.height, codecs: level.videoCodec })),
    // What plays stays; what is buffered behind it is loaded again.
    pickRung: (id) => (hls.nextLevel = id),
    audio: () => hls.audioTracks.map((track) => ({ id: track.id, language: track.lang, label: track.name })),
    pickAudio: (id) => (hls.audioTrack = id),
    text: () => hls.subtitleTracks.map((track) => ({ id: track.id, language: track.lang, label: track.name })),
    pickText: (id) => {
      hls.subtitleDisplay = true;
      hls.subtitleTrack = id ?? -1;
    },
    // It makes a track when the first captions come.
    pickCaptions: () => [...video.textTracks].filter(({ kind }) => kind === "captions").forEach((track) => (track.mode = "showing")),
    growing: () => hls.latestLevelDetails?.live === true,
    programTime: () => hls.playingDate?.getTime(),
    // hls.js hands the list of key frames over and leaves it to the page what becomes of it.
    keyFrameLists: () => hls.iframeVariants?.length ?? hls.iframeLevels?.length,
    chapterList: async () => (await sessionData)?.["com.apple.hls.chapters"]?.URI,
    close: () => hls.destroy(),
  };
}
