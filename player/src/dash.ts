// DASH by dash.js.
import * as dashjs from "dashjs";
import { audioLabel } from "./hls";
import type { Engine, Listener } from "./engine";

/** Loads a DASH MPD, static or still growing. */
export function openDash(video: HTMLVideoElement, url: string, start: number, listener: Listener): Engine {
  const player = dashjs.MediaPlayer().create();
  let playing: string | undefined;

  player.updateSettings({
    debug: { logLevel: dashjs.Debug.LOG_LEVEL_NONE },
    streaming: {
      // The time comes from the machine that serves the stream; dash.js would ask a server on the Internet.
      utcSynchronization: { enabled: false },
      buffer: { fastSwitchEnabled: true },
      abr: { limitBitrateByPortal: false },
      // A stream that still grows is watched as a file is, not chased at its live edge.
      liveCatchup: { enabled: false },
    },
  });
  const { events } = dashjs.MediaPlayer;
  player.on(events.STREAM_INITIALIZED, () => listener.changed());
  player.on(events.TRACK_CHANGE_RENDERED, () => listener.changed());
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

  const rungs = () => player.getRepresentationsByType("video") ?? [];
  return {
    rungs: () =>
      rungs().map((rung) => ({
        id: rung.id,
        width: rung.width,
        height: rung.height,
        frameRate: rung.frameRate || 0,
        bandwidth: rung.bandwidth,
        codec: rung.codecs ?? "",
      })),
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
      // Replaces what is buffered: the change is seen at once, not when the buffer has been played.
      if (id !== undefined) player.setRepresentationForTypeById("video", id, true);
    },
    pickAudio: (id) => {
      const track = player.getTracksFor("audio").find((candidate) => String(candidate.index) === id);
      if (track) player.setCurrentTrack(track);
    },
    destroy: () => player.destroy(),
  };
}
