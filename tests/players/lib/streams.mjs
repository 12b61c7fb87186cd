// The streams that are played, each made when a test first asks for it, two at a time.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { FPS } from "../page/pattern.mjs";
import { withCaptions } from "./captions.mjs";
import { makeSource } from "./source.mjs";
import { Daemon, transcode, until } from "./reelmill.mjs";

/** Rungs of streams that have more than one. */
export const LADDER = [
  { width: 640, height: 360 },
  { width: 480, height: 270 },
  { width: 320, height: 180 },
];
const RENDITIONS = LADDER.map(({ width, height }) => `${width}x${height}`).join(",");
/** What the other streams have. */
export const SMALL = ["--renditions", "320x180", "--segment", "2s"];

/** Seconds of the main source. */
export const SECONDS = 20;
/** Seconds of the source that comes slowly. */
export const SLOW_SECONDS = 30;
/** When the main stream begins by the clock. */
export const BEGINS = "2026-12-01T06:00:00Z";
/** Chapters of the main source. */
export const CHAPTERS = [
  { title: "One", fromMs: 0, toMs: 8_000 },
  { title: "Two", fromMs: 8_000, toMs: 20_000 },
];
/** Cues of the main source by language: what its text tracks have, where its streams have any. */
export const CUES = Object.fromEntries(
  [["en", "Line"], ["de", "Zeile"]].map(([language, word]) => [
    language,
    Array.from({ length: SECONDS / 2 }, (_, at) => ({ from: 2 * at + 0.5, to: 2 * at + 1.9, text: `${word} ${at}` })),
  ]),
);
/** What the closed captions say. */
export const CAPTIONS = [1, 3, 5].map((at) => ({ from: at + 0.6, to: at + 1.8, text: `Said at ${at}` }));
/** Where the streams in single files begin to play. */
export const START_SECONDS = 6;

/** Makes streams in a directory, and gives their paths below it. */
export class Streams {
  #made = new Map();
  #waiting = [];
  #free = 2;

  /** @param {string} directory @param {import("./server.mjs").Server} server */
  constructor(directory, server) {
    this.directory = directory;
    this.server = server;
  }

  /** A path in the directory. */
  at(...parts) {
    return path.join(this.directory, ...parts);
  }

  /** A source, or an output; made once. @param {keyof typeof RECIPES} name */
  get(name) {
    if (!this.#made.has(name)) this.#made.set(name, RECIPES[name](this));
    return this.#made.get(name);
  }

  /** Runs what needs the processor, in turn. */
  async work(task) {
    if (this.#free === 0) await new Promise((done) => this.#waiting.push(done));
    else this.#free -= 1;
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }

  async source(name, what) {
    await this.work(() => makeSource(this.at(name), what));
    return this.at(name);
  }

  async output(name, source, ...options) {
    await this.work(() => transcode(source, this.at(name), ...options));
    return name;
  }
}

const RECIPES = {
  "main.mp4": (all) => {
    const subtitles = Object.entries({ eng: CUES.en, deu: CUES.de }).map(([language, cues]) => ({ language, cues }));
    return all.source("main.mp4", { seconds: SECONDS, languages: ["eng", "deu"], chapters: CHAPTERS, subtitles });
  },
  /** Everything: three rungs, two languages, both packagings, files. */
  main: async (all) => {
    const source = await all.get("main.mp4");
    const options = ["--renditions", RENDITIONS, "--segment", "2s", "--mp4", "--chapters", "--program-date-time", BEGINS];
    return all.output("main", source, ...options);
  },
  /** Byte ranges, with a place to start. */
  single: async (all) => {
    const source = await all.get("main.mp4");
    const options = ["--renditions", RENDITIONS, "--segment", "2s", "--single-file"];
    return all.output("single", source, ...options, "--start-at", `${START_SECONDS}s`, "--start-precise");
  },
  "short.mp4": (all) => all.source("short.mp4", { seconds: 8, languages: ["eng"] }),
  /** Codecs of which a browser may lack some: each by itself, and all in one stream. */
  av1: async (all) => all.output("av1", await all.get("short.mp4"), ...SMALL, "--codec", "av1", "--audio-codec", "opus"),
  vp9: async (all) => all.output("vp9", await all.get("short.mp4"), ...SMALL, "--codec", "vp9", "--audio-codec", "opus"),
  hevc: async (all) => all.output("hevc", await all.get("short.mp4"), ...SMALL, "--codec", "hevc"),
  codecs: async (all) => {
    const codecs = ["--codec", "h264,hevc,av1", "--audio-codec", "aac,opus", "--packaging", "cmaf"];
    return all.output("codecs", await all.get("short.mp4"), ...SMALL, ...codecs);
  },
  /** Sheets of three by two tiles, one each second: two of them for 8 s. */
  sprites: async (all) => {
    const sheets = "--sprites=interval=1s,columns=3,rows=2,width=80,exact";
    return all.output("sprites", await all.get("short.mp4"), ...SMALL, sheets);
  },
  /** Closed captions in the pictures, and nothing else that is text. */
  captioned: async (all) => {
    const plain = await all.get("short.mp4");
    const [units, said, source] = ["plain.h264", "said.h264", "captioned.mp4"].map((name) => all.at(name));
    await ffmpeg("-i", plain, "-map", "0:v", "-c", "copy", "-bsf:v", "h264_mp4toannexb", units);
    await writeFile(said, withCaptions(await readFile(units), CAPTIONS));
    await ffmpeg("-r", String(FPS), "-i", said, "-i", plain, "-map", "0:v", "-map", "1:a", "-c", "copy", source);
    return all.output("captioned", source, ...SMALL, "--captions", "CC1=eng", "--captions-as", "embedded");
  },
  /** Two files in one stream, of different size, the first with an odd length. */
  joined: async (all) => {
    const first = await all.source("first.mp4", { seconds: 7.4, languages: ["eng"] });
    const second = await all.source("second.mp4", { seconds: 6, languages: ["eng"], file: 1, size: [480, 270] });
    return all.output("joined", first, "--append", second, ...SMALL);
  },
  /** Sound that goes on after the pictures. */
  longer: async (all) => {
    const source = await all.source("longer.mp4", { seconds: 7, soundSeconds: 9, languages: ["eng"] });
    return all.output("longer", source, ...SMALL);
  },
  /** Sound that ends before the pictures. */
  shorter: async (all) => {
    const source = await all.source("shorter.mp4", { seconds: 9, soundSeconds: 7, languages: ["eng"] });
    return all.output("shorter", source, ...SMALL);
  },
  sound: async (all) => {
    const source = await all.source("sound.m4a", { seconds: 0, soundSeconds: 9, languages: ["eng"] });
    return all.output("sound", source, "--segment", "2s");
  },
  /** A part of a source, from and to a frame that is no key frame. */
  cut: async (all) => {
    const source = { id: "programme", uri: await all.get("main.mp4"), start: "3.2s", end: "11.4s" };
    const output = {
      source_id: source.id,
      destination: all.at("cut"),
      renditions: [{ size: "320x180" }],
      segment_duration: "2s",
      speed: "SPEED_FAST",
    };
    return all.work(async () => {
      const daemon = new Daemon(all.at("cut-state"));
      try {
        await daemon.start();
        await daemon.succeeded(await daemon.submitWhole({ sources: [source], outputs: [output] }));
      } finally {
        await daemon.kill();
      }
      return "cut";
    });
  },
  /** A source that an editor has trimmed without encoding it again: an edit list hides what is before 3 s. */
  trimmed: async (all) => {
    const trimmed = all.at("trimmed.mp4");
    await ffmpeg("-ss", "3", "-i", await all.get("main.mp4"), "-t", "9", "-map", "0:v", "-map", "0:a:0", "-c", "copy", trimmed);
    return all.output("trimmed", trimmed, ...SMALL);
  },
  /** The source of jobs that are watched while they run. A probe wants the first 12 s. */
  "slow.mp4": (all) => all.source("slow.mp4", { seconds: SLOW_SECONDS, languages: ["eng"] }),
  /** A job whose daemon was killed in the middle, and that the next daemon has finished. */
  resumed,
};

async function resumed(all) {
  const source = await all.get("slow.mp4");
  const slow = all.server.slow("resumed", source, 0.6);
  const daemon = new Daemon(all.at("resumed-state"));
  try {
    await daemon.start();
    const id = await daemon.submit(slow.url, all.at("resumed"), ...SMALL);
    await until("segments", async () => (await named(all.at("resumed", "cmaf", "320x180", "media.m3u8"))).length >= 4);
    await daemon.kill();
    slow.run(1);
    await daemon.start();
    await daemon.succeeded(id);
  } finally {
    await daemon.kill();
  }
  return "resumed";
}

/** Segments that a playlist names. */
export async function named(playlist) {
  const text = await readFile(playlist, "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

async function ffmpeg(...words) {
  const [status] = await once(spawn("ffmpeg", ["-v", "error", "-y", ...words], { stdio: ["ignore", "inherit", "inherit"] }), "exit");
  if (status !== 0) throw new Error(`ffmpeg ${words.join(" ")} ended with ${status}`);
}
