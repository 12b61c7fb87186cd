// Streams that are broken on purpose: the checks must notice, and say what is wrong.
import assert from "node:assert/strict";
import { copyFile, cp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { begins, ends, joints, picksSound, switches } from "./lib/walk.mjs";
import { LADDER, SECONDS } from "./lib/streams.mjs";
import { test } from "./lib/test.mjs";

/** What to break, how, which part of the walk is to notice, and in which words. */
const FAULTS = [
  {
    name: "pictures that are not those of their time",
    async damage(at) {
      // The pictures of one segment under the times of another: both have the same length.
      await patched(at("640x360/150000.m4s"), await readFile(at("640x360/250000.m4s")), 150_000n);
    },
    notice: joints,
    says: /at 6\.\d+ s, 640 wide, there is picture 25\d of file 0 instead of 15\d/,
  },
  {
    name: "a segment with garbage in it",
    async damage(at) {
      for (const { width, height } of LADDER) {
        const file = at(`${width}x${height}/150000.m4s`);
        const bytes = await readFile(file);
        bytes.fill(0x55, bytes.indexOf("mdat") + 400, bytes.length - 100);
        await writeFile(file, bytes);
      }
    },
    notice: joints,
    says: /never ended|cannot be read|instead of|decode/i,
  },
  {
    name: "a segment that is missing",
    damage: (at) => Promise.all(LADDER.map(({ width, height }) => rm(at(`${width}x${height}/150000.m4s`)))),
    notice: joints,
    says: /never ended|404|shown was the picture/i,
  },
  {
    name: "a rung that is another",
    async damage(at) {
      const master = await readFile(at("master.m3u8"), "utf8");
      await writeFile(at("master.m3u8"), master.replace(/^480x270\/media.m3u8$/m, "320x180/media.m3u8"));
    },
    notice: switches,
    says: /waited .* for rung 480x270 to be shown/,
  },
  {
    name: "a rung that is not there",
    async damage(at) {
      const master = await readFile(at("master.m3u8"), "utf8");
      await writeFile(at("master.m3u8"), master.replace(/#EXT-X-STREAM-INF[^\n]*480x270[^\n]*\n480x270\/media.m3u8\n/, ""));
    },
    notice: switches,
    says: /rungs/,
  },
  {
    name: "languages that are each other's",
    async damage(at) {
      await rename(at("audio-1"), at("audio-0"));
      await rename(at("audio-2"), at("audio-1"));
      await rename(at("audio-0"), at("audio-2"));
    },
    notice: picksSound,
    says: /waited .* for the tone of sound track 0/,
  },
  {
    name: "an end that comes too early",
    async damage(at) {
      for (const { width, height } of LADDER) {
        const file = at(`${width}x${height}/media.m3u8`);
        await writeFile(file, (await readFile(file, "utf8")).replace(/#EXTINF:2.000000,\n450000.m4s\n/, ""));
      }
    },
    notice: ends,
    says: /the last picture is that of|no picture was seen|waited .* for the end/,
  },
];

export function broken(world) {
  for (const { name, damage, notice, says } of FAULTS) {
    test(`the suite notices ${name}`, async () => {
      const copy = `broken ${name}`.replaceAll(" ", "-");
      await world.streams.get("main");
      await cp(world.streams.at("main", "cmaf"), world.streams.at(copy), { recursive: true });
      await damage((path) => world.streams.at(copy, path));
      const plan = { seconds: SECONDS, ladder: LADDER, languages: ["en", "de"], boundaries: [6, 8], patienceMs: 6_000 };
      const watch = () =>
        world.watch("hls", `${copy}/master.m3u8`, async (screen) => {
          const highest = (await screen.call("rungs")).find(({ width }) => width === 640);
          await screen.call("pickRung", highest.id);
          await notice(screen, plan);
        });
      await assert.rejects(watch, says);
    });
  }

  test("the suite notices sound that is late", async () => {
    const late = { seconds: 8, languages: ["eng"], soundLateMs: 200 };
    await world.streams.source("late.mp4", late);
    const plan = { seconds: 8, calibrationMs: world.calibrationMs };
    await assert.rejects(world.watch("native", "late.mp4", (screen) => begins(screen, plan)), /sound is (1[3-9]|2[0-7])\d ms late/);
  });

  test("the suite notices sound that is not there", async () => {
    await world.streams.get("main");
    await copyFile(world.streams.at("main", "mp4", "320x180.mp4"), world.streams.at("silent.mp4"));
    const plan = { seconds: 8, patienceMs: 8_000 };
    const silent = async (screen) => {
      await screen.call("mute");
      await begins(screen, plan);
    };
    await assert.rejects(world.watch("native", "silent.mp4", silent), /waited 8 s for the tone of sound track 0/);
  });
}

/** Writes a segment under another decoding time (tfdt, ISO/IEC 14496-12 §8.8.12). */
async function patched(file, bytes, time) {
  const box = bytes.indexOf("tfdt");
  if (bytes[box + 4] === 1) bytes.writeBigUInt64BE(time, box + 8);
  else bytes.writeUInt32BE(Number(time), box + 8);
  await writeFile(file, bytes);
}
