// A file by the browser itself, in the terms of page/stage.mjs. It has one rung and one sound.

export async function open(video, url, { start, troubles }) {
  const loaded = new Promise((done, failed) => {
    video.addEventListener("loadedmetadata", done, { once: true });
    video.addEventListener("error", () => failed(new Error(video.error?.message)), { once: true });
  });
  video.addEventListener("error", () => troubles.push(`browser: ${video.error?.message}`));
  video.src = url;
  await loaded;
  if (start !== undefined) video.currentTime = start;
  const nothing = () => undefined;
  return {
    version: navigator.userAgent.match(/Chrome\/[\d.]+/)?.[0],
    rungs: () => [],
    pickRung: nothing,
    audio: () => [],
    pickAudio: nothing,
    text: () => [],
    pickText: nothing,
    growing: () => false,
    programTime: nothing,
    keyFrameLists: nothing,
    chapterList: async () => undefined,
    close: () => {
      video.removeAttribute("src");
      video.load();
    },
  };
}
