// HLS by hls.js; by the browser itself only where there is no Media Source (Safari on older iPhones).
import Hls, { ErrorTypes, Events } from "hls.js";
import type { Engine, Listener } from "./engine";

/** Times that one stream may recover from a media error before the page gives up. */
const RECOVERIES_MAX = 3;

/** Loads an HLS master playlist. Chromium's `canPlayType` says "maybe" for HLS: it is not asked while hls.js can work. */
export function openHls(video: HTMLVideoElement, url: string, start: number, listener: Listener): Engine {
  if (Hls.isSupported()) return openWithHlsJs(video, url, start, listener);
  if (video.canPlayType("application/vnd.apple.mpegurl")) return openNative(video, url, start, listener);
  throw new Error("This browser can play HLS neither by Media Source Extensions nor by itself.");
}

function openWithHlsJs(video: HTMLVideoElement, url: string, start: number, listener: Listener): Engine {
  // A stream that still grows is watched from its start, not from the live edge.
  const hls = new Hls({ startPosition: start, backBufferLength: 60 });
  let playing: number | undefined;
  let growing = false;
  let recoveries = 0;

  hls.on(Events.MANIFEST_PARSED, () => listener.changed());
  hls.on(Events.LEVELS_UPDATED, () => listener.changed());
  hls.on(Events.AUDIO_TRACKS_UPDATED, () => listener.changed());
  hls.on(Events.AUDIO_TRACK_SWITCHED, () => listener.changed());
  hls.on(Events.LEVEL_LOADED, (_, data) => (growing = data.details.live));
  hls.on(Events.FRAG_CHANGED, (_, data) => {
    if (data.frag.type === "main") playing = data.frag.level;
  });
  hls.on(Events.ERROR, (_, data) => {
    if (!data.fatal) return;
    if (data.type === ErrorTypes.MEDIA_ERROR && recoveries < RECOVERIES_MAX) {
      recoveries += 1;
      hls.recoverMediaError();
      return;
    }
    const status = data.response?.code ? ` (HTTP ${data.response.code})` : "";
    listener.failed(`hls.js stopped: ${data.details}${status}${data.reason ? `, ${data.reason}` : ""}`);
  });
  hls.loadSource(url);
  hls.attachMedia(video);

  return {
    rungs: () =>
      hls.levels.map((level, index) => ({
        id: String(index),
        width: level.width,
        height: level.height,
        frameRate: level.frameRate || 0,
        bandwidth: level.maxBitrate,
        averageBandwidth: Number(level.attrs["AVERAGE-BANDWIDTH"]) || undefined,
        codec: level.videoCodec ?? level.audioCodec ?? "",
      })),
    audioTracks: () => hls.audioTracks.map((track) => ({ id: String(track.id), label: audioLabel(track.name, track.lang) })),
    status: () => ({
      playing: playing === undefined ? undefined : String(playing),
      loading: hls.loadLevel < 0 ? undefined : String(hls.loadLevel),
      auto: hls.autoLevelEnabled,
      audio: hls.audioTrack < 0 ? undefined : String(hls.audioTrack),
      estimate: hls.bandwidthEstimate || undefined,
      growing,
    }),
    // `nextLevel` keeps what plays now and drops what is buffered behind it: no pause, and the change is seen at once.
    pickRung: (id) => (hls.nextLevel = id === undefined ? -1 : Number(id)),
    pickAudio: (id) => (hls.audioTrack = Number(id)),
    destroy: () => hls.destroy(),
  };
}

function openNative(video: HTMLVideoElement, url: string, start: number, listener: Listener): Engine {
  const changed = () => listener.changed();
  const failed = () => listener.failed(video.error?.message || "the browser cannot play this stream");
  const seek = () => (video.currentTime = start);
  video.addEventListener("loadedmetadata", changed);
  video.addEventListener("loadedmetadata", seek, { once: true });
  video.addEventListener("error", failed);
  video.src = url;
  return {
    rungs: () => [],
    audioTracks: () => [],
    status: () => ({ auto: true, growing: video.duration === Infinity }),
    pickRung: () => undefined,
    pickAudio: () => undefined,
    destroy: () => {
      video.removeEventListener("loadedmetadata", changed);
      video.removeEventListener("loadedmetadata", seek);
      video.removeEventListener("error", failed);
      video.removeAttribute("src");
      video.load();
    },
  };
}

/** What the audio menu shows: the track's name, and its language where the name does not say it. */
export function audioLabel(name: string | undefined, language: string | undefined | null): string {
  if (!name) return language || "Audio";
  return language && language !== "und" && !name.includes(language) ? `${name} (${language})` : name;
}
