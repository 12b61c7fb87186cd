// DASH by dash.js, in the terms of page/stage.mjs.
import { script } from "./script.mjs";

export async function open(video, url, { start, troubles }) {
  await script("/lib/dashjs/dist/modern/umd/dash.all.min.js");
  const { dashjs } = window;
  const player = dashjs.MediaPlayer().create();
  const { events } = dashjs.MediaPlayer;
  player.updateSettings({
    debug: { logLevel: dashjs.Debug.LOG_LEVEL_NONE },
    streaming: {
      // It would ask a server on the Internet for the time.
      utcSynchronization: { enabled: false },
      buffer: { fastSwitchEnabled: true, bufferTimeDefault: 8, bufferTimeAtTopQuality: 8, bufferTimeAtTopQualityLongForm: 8 },
      abr: { limitBitrateByPortal: false },
      liveCatchup: { enabled: false },
      trackSwitchMode: { video: "alwaysReplace", audio: "alwaysReplace" },
      text: { defaultEnabled: false },
    },
  });
  player.on(events.ERROR, ({ error }) => troubles.push(`dash.js: ${error?.message ?? error}`));
  player.on(events.PLAYBACK_ERROR, ({ error }) => troubles.push(`dash.js: playback: ${error?.message ?? error}`));
  // Gaps over which it jumps of its own accord.
  for (const name of ["gapCausedInternalSeek", "gapCausedSeekToPeriodEnd"]) {
    player.on(name, ({ seekTime, duration }) => troubles.push(`dash.js: ${name} to ${seekTime} over ${duration} s`));
  }
  // It pauses at the end by itself, sometimes before the browser has noticed that this is the end.
  let isOver = false;
  player.on(events.PLAYBACK_ENDED, () => (isOver = true));
  const ready = new Promise((done) => player.on(events.STREAM_INITIALIZED, done));
  player.initialize(video, undefined, false);
  player.attachSource(url, start);
  await ready;
  const tracks = (type) =>
    player.getTracksFor(type).map((track) => ({
      id: track.index,
      language: track.lang,
      label: track.labels?.[0]?.text ?? "",
      roles: (track.roles ?? []).map((role) => role.value),
    }));
  const pick = (type, id) => player.setCurrentTrack(player.getTracksFor(type).find((track) => track.index === id));
  return {
    version: dashjs.Version ?? player.getVersion(),
    rungs: () =>
      player
        .getRepresentationsByType("video")
        .map(({ id, width, height, codecs }) => ({ id, width, height, codecs })),
    pickRung: (id) => {
      player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
      player.setRepresentationForTypeById("video", id, true);
    },
    audio: () => tracks("audio"),
    pickAudio: (id) => pick("audio", id),
    text: () => tracks("text"),
    pickText: (id) => {
      player.enableText(id !== null);
      if (id !== null) player.setTextTrack(player.getTracksFor("text").findIndex((track) => track.index === id));
    },
    ended: () => isOver && video.paused && video.currentTime >= video.duration - 0.05,
    growing: () => player.isDynamic(),
    programTime: () => undefined,
    keyFrameLists: () => undefined,
    chapterList: async () => undefined,
    thumbnail: (time) =>
      new Promise((done) => {
        const tell = (found) => done(found && { url: found.url, x: found.x, y: found.y, width: found.width, height: found.height });
        player.provideThumbnail(time, tell);
      }),
    close: () => player.destroy(),
  };
}
