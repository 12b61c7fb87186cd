// DASH by dash.js.
import * as dashjs from "dashjs";
import { audioLabel } from "./hls";
import type { Engine, Listener } from "./engine";

/** Loads a DASH MPD, static or still growing. */
export function openDash(video: HTMLVideoElement, url: string, start: number, listener: Listener): Engine {
  const player = dashjs.MediaPlayer().create();
  let playing: string | undefined;
  /** A rung of another AdaptationSet, to be chosen once that set plays. */
  let awaited: string | undefined;

  player.updateSettings({
    debug: { logLevel: dashjs.Debug.LOG_LEVEL_NONE },
    streaming: {
      // The time comes from the machine that serves the stream; dash.js would ask a server on the Internet.
      utcSynchronization: { enabled: false },
      buffer: { fastSwitchEnabled: true },
      abr: { limitBitrateByPortal: false },
      // A stream that still grows is watched as a file is, not chased at its live edge.
      liveCatchup: { enabled: false },
      trackSwitchMode: { video: "alwaysReplace", audio: "alwaysReplace" },
    },
  });
  const { events } = dashjs.MediaPlayer;
  player.on(events.STREAM_INITIALIZED, () => listener.changed());
  player.on(events.TRACK_CHANGE_RENDERED, (event) => {
    if (event.mediaType === "video" && awaited !== undefined) fix(awaited);
    listener.changed();
  });
  player.on(events.QUALITY_CHANGE_RENDERED, (event) => {
    if (event.mediaType !== "video") return;
    playing = event.newRepresentation?.id;
    listener.changed();
  });
  player.on(events.ERROR, (event) => {
    const error = typeof event.error === "object" ? event.error : undefined;
    listener.failed(`dash.js stopped: ${error?.message ?? event.error}`);
  });
  player.initialize(video, undefined, false);
  player.attachSource(url, start);

  /** Fixes the rung. It replaces what is buffered: the change is seen at once, not when the buffer has been played. */
  function fix(id: string): void {
    awaited = undefined;
    player.setRepresentationForTypeById("video", id, true);
  }

  /** One AdaptationSet a codec: dash.js picks a set at the start and then switches inside it only. */
  const videoTracks = () => (player.isReady() ? player.getTracksFor("video") : []);
  return {
    rungs: () => {
      const current = player.isReady() ? player.getRepresentationsByType("video") : [];
      return videoTracks().flatMap((track) =>
        track.bitrateList.map((rung) => {
          const known = current.find((candidate) => candidate.id === rung.id);
          return {
            id: rung.id ?? "",
            width: rung.width ?? 0,
            height: rung.height ?? 0,
            frameRate: known?.frameRate ?? 0,
            bandwidth: rung.bandwidth ?? 0,
            codec: known?.codecs ?? sampleEntry(track.codec),
          };
        }),
      );
    },
    audioTracks: () =>
      player.getTracksFor("audio").map((track, index) => ({
        id: String(track.index ?? index),
        label: audioLabel(track.labels?.[0]?.text ?? `Audio ${index + 1}`, track.lang),
      })),
    status: () => {
      const estimate = player.getAverageThroughput("video");
      const audio = player.getCurrentTrackFor("audio");
      return {
        playing,
        loading: player.getCurrentRepresentationForType("video")?.id,
        auto: player.getSettings().streaming?.abr?.autoSwitchBitrate?.video !== false,
        audio: audio?.index === undefined || audio.index === null ? undefined : String(audio.index),
        estimate: estimate > 0 ? estimate * 1000 : undefined,
        growing: player.isReady() && player.isDynamic(),
      };
    },
    pickRung: (id) => {
      player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: id === undefined } } } });
      if (id === undefined) return;
      const track = videoTracks().find((candidate) => candidate.bitrateList.some((rung) => rung.id === id));
      if (!track || track.index === player.getCurrentTrackFor("video")?.index) return fix(id);
      awaited = id;
      player.setCurrentTrack(track);
    },
    pickAudio: (id) => {
      const track = player.getTracksFor("audio").find((candidate) => String(candidate.index) === id);
      if (track) player.setCurrentTrack(track);
    },
    destroy: () => player.destroy(),
  };
}

/** `avc1` from `video/mp4;codecs="avc1.64001f"`: all that is known of every rung in a set that does not play. */
function sampleEntry(type: string | null): string {
  return type?.match(/codecs="([^".]*)/)?.[1] ?? type ?? "";
}
