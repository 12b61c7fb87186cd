// HLS and DASH by Shaka Player, in the terms of page/stage.mjs.
import { script } from "./script.mjs";

/** On a busy machine an answer may take long. */
const RETRY = { maxAttempts: 5, timeout: 0, stallTimeout: 0, connectionTimeout: 0 };

export async function open(video, url, { start, troubles }) {
  await script("/lib/shaka-player/dist/shaka-player.compiled.js");
  const { shaka } = window;
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  const tell = (error) => troubles.push(`Shaka: error ${error.code} ${JSON.stringify(error.data ?? error.message)}`);
  player.addEventListener("error", ({ detail }) => tell(detail));
  player.addEventListener("gapjumped", () => troubles.push(`Shaka: jumped over a gap at ${video.currentTime}`));
  await player.attach(video);
  player.configure({
    // A rung that fails is told of, not left out for half a minute.
    streaming: { bufferingGoal: 8, bufferBehind: 60, maxDisabledTime: 0, retryParameters: RETRY },
    manifest: { dash: { autoCorrectDrift: false } },
  });
  await player.load(url, start ?? null);
  const rungs = () => {
    const known = new Map();
    for (const track of player.getVideoTracks()) known.set(`${track.width}x${track.height} ${track.codecs}`, track);
    return known;
  };
  const audio = () => player.getAudioTracks();
  return {
    version: shaka.Player.version,
    rungs: () => [...rungs()].map(([id, { width, height, codecs }]) => ({ id, width, height, codecs })),
    pickRung: (id) => {
      player.configure({ abr: { enabled: false } });
      player.selectVideoTrack(rungs().get(id), true, 0.5);
    },
    audio: () => audio().map(({ language, label, roles }, id) => ({ id, language, label: label ?? "", roles })),
    pickAudio: (id) => player.selectAudioTrack(audio()[id]),
    text: () => player.getTextTracks().map(({ id, language, label }) => ({ id, language, label: label ?? "" })),
    pickText: (id) => player.selectTextTrack(player.getTextTracks().find((track) => track.id === id) ?? null),
    pickCaptions: () => player.selectTextTrack(player.getTextTracks()[0]),
    growing: () => player.isDynamic(),
    programTime: () => player.getPlayheadTimeAsDate()?.getTime(),
    keyFrameLists: () => player.getManifest()?.variants?.find((variant) => variant.video?.trickModeVideo) && 1,
    chapterList: async () => (await player.getChaptersAsync("und")).map(({ title, startTime, endTime }) => ({ title, startTime, endTime })),
    trick: (rate) => (rate === 1 ? player.cancelTrickPlay() : player.trickPlay(rate, true)),
    activeRung: () => player.getVariantTracks().find((track) => track.active),
    thumbnail: async (time) => {
      const found = await player.getThumbnails(player.getImageTracks()[0]?.id, time);
      return found && { url: found.uris[0], x: found.positionX, y: found.positionY, width: found.width, height: found.height };
    },
    close: () => player.destroy(),
  };
}
