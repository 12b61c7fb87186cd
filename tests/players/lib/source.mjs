// Makes the sources: pictures and sound with the code of page/pattern.mjs in them, by way of ffmpeg.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { BEEP_HZ, BLOCKS, FPS, ROW_TOP, bitsOf, isFlash, toneHz } from "../page/pattern.mjs";

/** Samples a second. */
const RATE = 48_000;
const BLACK = 16;
const WHITE = 235;

/**
 * Writes a source file.
 * @param {string} path Its name tells the container.
 * @param {object} what
 * @param {number} what.seconds Length of the pictures; 0 for none.
 * @param {number} [what.soundSeconds] Length of the sound, where it is another.
 * @param {string[]} what.languages One sound track for each.
 * @param {number} [what.file] The file's number in its pictures.
 * @param {[number, number]} [what.size]
 * @param {{title: string, fromMs: number, toMs: number}[]} [what.chapters]
 * @param {{language: string, cues: {from: number, to: number, text: string}[]}[]} [what.subtitles] Times in seconds.
 * @param {number} [what.soundLateMs] Sound that lies so much too late: a fault.
 */
export async function makeSource(path, what) {
  const { seconds, languages, file = 0, size = [640, 360], chapters = [], subtitles = [] } = what;
  const inputs = [];
  const maps = [];
  const add = (...input) => inputs.push(input) - 1;
  if (seconds > 0) {
    add("-f", "rawvideo", "-pix_fmt", "gray", "-s", size.join("x"), "-r", String(FPS), "-i", "pipe:0");
    maps.push("-map", "0:v");
  }
  for (const [track, language] of languages.entries()) {
    const wav = `${path}.${track}.wav`;
    await writeFile(wav, tones(track, what.soundSeconds ?? seconds, what.soundLateMs ?? 0));
    maps.push("-map", `${add("-i", wav)}:a`, `-metadata:s:a:${track}`, `language=${language}`);
  }
  for (const [track, { language, cues }] of subtitles.entries()) {
    const srt = `${path}.${track}.srt`;
    await writeFile(srt, cues.map(subRip).join("\n"));
    maps.push("-map", `${add("-i", srt)}:s`, `-metadata:s:s:${track}`, `language=${language}`, "-c:s", "mov_text");
  }
  if (chapters.length > 0) {
    await writeFile(`${path}.meta`, metadata(chapters));
    maps.push("-map_chapters", String(add("-i", `${path}.meta`)));
  }
  const video = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "14", "-g", "50", "-pix_fmt", "yuv420p"];
  const sound = ["-c:a", "aac", "-b:a", "128k"];
  const all = ["-v", "error", "-y", ...inputs.flat(), ...maps, ...video, ...sound, "-movflags", "+faststart", path];
  const ffmpeg = spawn("ffmpeg", all, { stdio: ["pipe", "inherit", "inherit"] });
  const ended = once(ffmpeg, "exit");
  ffmpeg.stdin.on("error", () => undefined);
  for (let number = 0; number < seconds * FPS; number += 1) {
    if (!ffmpeg.stdin.write(picture(size, number, file))) await Promise.race([once(ffmpeg.stdin, "drain"), ended]);
  }
  ffmpeg.stdin.end();
  const [status] = await ended;
  if (status !== 0) throw new Error(`ffmpeg could not make ${path} (status ${status})`);
}

/** One picture, 8 bits of luma a pixel. */
function picture([width, height], number, file) {
  const pixels = Buffer.alloc(width * height);
  const top = Math.round(height * ROW_TOP);
  const flash = isFlash((number * 1000) / FPS);
  for (let y = 0; y < top; y += 1) {
    // A slope that moves: cheap to encode, and no two pictures are the same.
    for (let x = 0; x < width; x += 1) pixels[y * width + x] = flash ? WHITE : 40 + ((x + y + number * 4) % 120);
  }
  const bits = bitsOf(number, file);
  const line = Buffer.alloc(width);
  for (let x = 0; x < width; x += 1) line[x] = bits[Math.floor((x * BLOCKS) / width)] ? WHITE : BLACK;
  for (let y = top; y < height; y += 1) line.copy(pixels, y * width);
  return pixels;
}

/** A WAV file (stereo, 16 bits): the track's tone, which changes its frequency without a jump, and the beeps. */
function tones(track, seconds, lateMs) {
  const samples = Math.round(seconds * RATE);
  const data = Buffer.alloc(44 + samples * 4);
  data.write("RIFF", 0);
  data.writeUInt32LE(36 + samples * 4, 4);
  data.write("WAVEfmt ", 8);
  data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20);
  data.writeUInt16LE(2, 22);
  data.writeUInt32LE(RATE, 24);
  data.writeUInt32LE(RATE * 4, 28);
  data.writeUInt16LE(4, 32);
  data.writeUInt16LE(16, 34);
  data.write("data", 36);
  data.writeUInt32LE(samples * 4, 40);
  let phase = 0;
  for (let at = 0; at < samples; at += 1) {
    const ms = (at * 1000) / RATE - lateMs;
    phase += (2 * Math.PI * toneHz(track, Math.max(0, Math.floor(ms / 1000)))) / RATE;
    const beep = isFlash(ms) ? 0.5 * Math.sin((2 * Math.PI * BEEP_HZ * at) / RATE) : 0;
    const sample = Math.round(32_000 * (0.2 * Math.sin(phase) + beep));
    data.writeInt16LE(sample, 44 + at * 4);
    data.writeInt16LE(sample, 46 + at * 4);
  }
  return data;
}

/** A cue as SubRip has it. */
function subRip({ from, to, text }, at) {
  const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 23).replace(".", ",");
  return `${at + 1}\n${clock(from)} --> ${clock(to)}\n${text}\n`;
}

/** Chapters as ffmpeg reads them. */
function metadata(chapters) {
  const one = ({ title, fromMs, toMs }) => `[CHAPTER]\nTIMEBASE=1/1000\nSTART=${fromMs}\nEND=${toMs}\ntitle=${title}\n`;
  return `;FFMETADATA1\n${chapters.map(one).join("")}`;
}
