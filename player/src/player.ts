// The page: chooses a stream, a rung and an audio track, and shows what playback does.
import { openDash } from "./dash";
import type { Engine, Rung } from "./engine";
import { bitRate, clock, codecName, frameRate } from "./format";
import { openHls } from "./hls";

/** One way to play the output directory, as `streams.json` lists it. */
interface Stream {
  id: string;
  protocol: "hls" | "dash";
  label: string;
  url: string;
}

/** Milliseconds between two looks at playback. */
const REFRESH_MS = 250;
/** Milliseconds between two looks for streams while there are none. */
const RETRY_MS = 1000;
/** Seconds that J and L jump. */
const JUMP_SECONDS = 10;

const byId = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const video = byId<HTMLVideoElement>("video");
const notice = byId("notice");
const streamList = byId("streams");
const audioSelect = byId<HTMLSelectElement>("audio");
const rungBody = byId("rungs");

let streams: Stream[] = [];
let current: Stream | undefined;
let engine: Engine | undefined;
/** What the table was last drawn from: it is drawn again only when that changes, so that focus stays where it is. */
let drawn = "";

async function main(): Promise<void> {
  streams = await findStreams();
  drawStreams();
  const wanted = location.hash.slice(1);
  open(streams.find((stream) => stream.id === wanted) ?? streams[0]);
  setInterval(refresh, REFRESH_MS);
  document.addEventListener("keydown", onKey);
  audioSelect.addEventListener("change", () => engine?.pickAudio(audioSelect.value));
}

/** Asks until there is a stream: a job that has just begun has none yet. */
async function findStreams(): Promise<Stream[]> {
  for (;;) {
    try {
      const answer = await fetch("streams.json", { cache: "no-store" });
      const { directory, streams } = (await answer.json()) as { directory: string; streams: Stream[] };
      byId("directory").textContent = directory;
      document.title = `${directory.split("/").pop()} · Reelmill`;
      if (streams.length > 0) return streams;
      say("There is no stream in this directory yet. This page waits for one.");
    } catch {
      say("The server does not answer. Is `reelmill play` still running?");
    }
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}

/** Loads a stream where the one before stood. */
function open(stream: Stream): void {
  const start = current ? video.currentTime : 0;
  let toStart = !current || !video.paused;
  engine?.destroy();
  engine = undefined;
  current = stream;
  drawn = "";
  history.replaceState(null, "", `#${stream.id}`);
  for (const input of streamList.querySelectorAll("input")) input.checked = input.value === stream.id;
  byId("source").textContent = new URL(stream.url, location.href).href;
  say("Loading …");
  const listener = {
    changed: () => {
      say("");
      refresh();
      if (!toStart) return;
      toStart = false;
      // Not before the library listens: dash.js looks for more of a growing stream only once it has seen the start.
      // Refused until the viewer has touched the page; the controls are there for that.
      video.play().catch(() => undefined);
    },
    failed: say,
  };
  try {
    const openWith = stream.protocol === "dash" ? openDash : openHls;
    engine = openWith(video, stream.url, start, listener);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
  }
}

function say(text: string): void {
  notice.textContent = text;
  notice.hidden = text === "";
}

function drawStreams(): void {
  streamList.replaceChildren(
    ...streams.map((stream) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      input.type = "radio";
      input.name = "stream";
      input.value = stream.id;
      input.addEventListener("change", () => open(stream));
      const text = document.createElement("span");
      text.textContent = stream.label;
      label.append(input, text);
      return label;
    }),
  );
}

/** Redraws what has changed since the last look. */
function refresh(): void {
  if (!engine) return;
  const status = engine.status();
  const rungs = [...engine.rungs()].sort((a, b) => b.height * b.width - a.height * a.width || b.bandwidth - a.bandwidth);
  const audio = engine.audioTracks();
  const state = JSON.stringify([rungs, audio]);
  if (state !== drawn) {
    drawn = state;
    drawRungs(rungs);
    audioSelect.replaceChildren(...audio.map((track) => new Option(track.label, track.id)));
    audioSelect.disabled = audio.length < 2;
    if (audio.length === 0) audioSelect.append(new Option("none"));
  }
  if (status.audio !== undefined && document.activeElement !== audioSelect) audioSelect.value = status.audio;
  markRungs(status.playing, status.auto ? "" : (status.loading ?? ""));

  const playing = rungs.find((rung) => rung.id === status.playing);
  const quality = video.getVideoPlaybackQuality?.();
  show("rung", playing ? `${name(playing)}${status.auto ? " · auto" : ""}` : "–");
  show("resolution", video.videoWidth ? `${video.videoWidth} × ${video.videoHeight}` : "–");
  show("buffer", `${bufferSeconds().toFixed(1)} s`);
  show("dropped", quality ? `${quality.droppedVideoFrames} of ${quality.totalVideoFrames}` : "–");
  show("estimate", bitRate(status.estimate));
  const end = video.seekable.length > 0 ? video.seekable.end(video.seekable.length - 1) : video.duration;
  show("position", `${clock(video.currentTime)} / ${clock(status.growing ? end : video.duration)}`);
  byId("growing").hidden = !status.growing;
  byId("meter").style.setProperty("--level", String(Math.min(1, bufferSeconds() / 30)));
}

function show(id: string, text: string): void {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

/** A rung's everyday name: its short side, as the ladder counts. */
function name(rung: Rung): string {
  return rung.height > 0 ? `${Math.min(rung.width, rung.height)}p ${codecName(rung.codec)}` : codecName(rung.codec);
}

function drawRungs(rungs: Rung[]): void {
  const automatic = row("", "Auto", ["the player picks", "", "", "", ""]);
  const rows = rungs.map((rung) =>
    row(rung.id, name(rung), [
      rung.width ? `${rung.width} × ${rung.height}` : "–",
      frameRate(rung.frameRate),
      bitRate(rung.bandwidth),
      bitRate(rung.averageBandwidth),
      rung.codec,
    ]),
  );
  rungBody.replaceChildren(automatic, ...rows);
}

function row(id: string, label: string, cells: string[]): HTMLTableRowElement {
  const row = document.createElement("tr");
  row.dataset.rung = id;
  const head = document.createElement("th");
  head.scope = "row";
  const choice = document.createElement("label");
  const input = document.createElement("input");
  input.type = "radio";
  input.name = "rung";
  input.value = id;
  input.addEventListener("change", () => engine?.pickRung(id === "" ? undefined : id));
  choice.append(input, label);
  head.append(choice);
  row.append(head, ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  row.addEventListener("click", (event) => {
    if (!(event.target instanceof HTMLInputElement)) input.click();
  });
  return row;
}

function markRungs(playing: string | undefined, chosen: string): void {
  for (const row of rungBody.querySelectorAll("tr")) {
    row.classList.toggle("playing", row.dataset.rung !== "" && row.dataset.rung === playing);
    const input = row.querySelector("input");
    if (input) input.checked = row.dataset.rung === chosen;
  }
}

/** Seconds of media ahead of the play head, without a gap. */
function bufferSeconds(): number {
  const { buffered, currentTime } = video;
  for (let i = 0; i < buffered.length; i += 1) {
    if (buffered.start(i) <= currentTime + 0.1 && currentTime <= buffered.end(i)) return buffered.end(i) - currentTime;
  }
  return 0;
}

/** K plays and pauses, J and L jump, M mutes, F fills the screen, 0 is auto, 1 to 9 are the rungs from the top. */
function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement) return;
  const digit = "0123456789".indexOf(event.key);
  if (digit >= 0) {
    rungBody.querySelectorAll("input")[digit]?.click();
    return;
  }
  const actions: Record<string, () => void> = {
    k: () => (video.paused ? void video.play() : video.pause()),
    j: () => (video.currentTime -= JUMP_SECONDS),
    l: () => (video.currentTime += JUMP_SECONDS),
    m: () => (video.muted = !video.muted),
    f: () => (document.fullscreenElement ? void document.exitFullscreen() : void video.requestFullscreen()),
  };
  actions[event.key.toLowerCase()]?.();
}

void main();
