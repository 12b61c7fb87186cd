// Streams that are not like the others, and what manifests tell beside the media.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { calm, right } from "./lib/checks.mjs";
import { BEGINS, CAPTIONS, CHAPTERS, SLOW_SECONDS } from "./lib/streams.mjs";
import { TS, TS_START } from "./matrix.mjs";
import { FPS } from "./page/pattern.mjs";
import { begins, ends, hears, joints, seeks } from "./lib/walk.mjs";
import { test } from "./lib/test.mjs";

const CMAF = [
  ["hls", "cmaf/master.m3u8"],
  ["dash", "cmaf/manifest.mpd"],
  ["shaka", "cmaf/master.m3u8"],
];
const ALL = [...CMAF, ["hls", "ts/master.m3u8", TS]];

/** Boundaries every two seconds. */
const every2 = (seconds) => Array.from({ length: Math.ceil(seconds / 2) - 1 }, (_, at) => 2 * (at + 1));

export function special(world) {
  /** A shorter walk: pictures and sound, each picture at boundaries, the end. */
  const plays = (name, ways, plan) => {
    for (const [player, manifest, ts] of ways) {
      test(`${player} plays ${name}/${manifest}`, async () => {
        await world.streams.get(name);
        const expected = { ...plan.expected, ...ts?.expected };
        const full = { calibrationMs: world.calibrationMs, boundaries: every2(plan.seconds), ...plan, expected };
        if (ts) full.known = TS_START;
        await world.watch(player, `${name}/${manifest}`, async (screen) => {
          for (const part of [begins, joints, ...(plan.parts ?? []), ends]) await part(screen, full);
        });
      });
    }
  };

  const joined = { parts: [{ from: 0 }, { from: 7.4, file: 1 }] };
  plays("joined", ALL, { seconds: 13.4, boundaries: [2, 4, 6, 7.4, 8, 10, 12], expected: joined, parts: [seeks] });
  plays("cut", ALL, { seconds: 8.2, expected: { parts: [{ from: 0, at: 3.2 }] } });
  plays("trimmed", ALL, { seconds: 9, expected: { parts: [{ from: 0, at: 3 }] } });
  plays("resumed", ALL, { seconds: SLOW_SECONDS });
  plays("av1", CMAF, { seconds: 8 });
  plays("vp9", CMAF, { seconds: 8 });
  plays("codecs", CMAF, { seconds: 8 });
  plays("longer", ALL, { seconds: 7, soundSeconds: 9 });
  // Shaka Player ends an HLS stream with the shorter of its tracks.
  plays("shorter", [...ALL.filter(([player]) => player !== "shaka"), ["shaka", "cmaf/manifest.mpd"]], {
    seconds: 9,
    soundSeconds: 7,
  });

  for (const [player, manifest] of [...CMAF, ["hls", "ts/master.m3u8"]]) {
    test(`${player} plays sound/${manifest}`, async () => {
      await world.streams.get("sound");
      await world.watch(player, `sound/${manifest}`, async (screen) => {
        for (const time of [0, 5, 2.5]) {
          await screen.call("seek", time);
          await screen.playTo(time + 1);
          await hears(screen, 0, {});
        }
        await screen.call("seek", 8);
        const state = await screen.until("the end", ({ ended }) => ended);
        assert.ok(Math.abs(state.time - 9) < 0.1, `${screen.what}: it ends at ${state.time} s, not 9 s`);
        calm(state, screen.what);
      });
    });
  }

  test("this browser plays HEVC", async (t) => {
    await world.streams.get("hevc");
    const master = await readFile(world.streams.at("hevc", "cmaf", "master.m3u8"), "utf8");
    const type = `video/mp4; codecs="${/CODECS="(hvc1[^,"]*)/.exec(master)[1]}"`;
    const can = await world.watch("native", "short.mp4", (screen) => screen.call("plays", type));
    if (!can) {
      console.log(`NOT PLAYED: this Chromium has no decoder for ${type}`);
      t.skip(`no decoder for ${type}`);
      return;
    }
    const plan = { seconds: 8, boundaries: every2(8) };
    for (const [player, manifest] of CMAF) {
      await world.watch(player, `hevc/${manifest}`, async (screen) => {
        for (const part of [begins, joints, ends]) await part(screen, plan);
      });
    }
  });

  for (const [player, manifest] of [["hls", "cmaf/master.m3u8"], ["hls", "ts/master.m3u8"], ["shaka", "cmaf/master.m3u8"]]) {
    test(`${player} tells the time of day of main/${manifest}`, async () => {
      await world.streams.get("main");
      await world.watch(player, `main/${manifest}`, async (screen) => {
        await screen.until("a first picture", ({ ready }) => ready >= 2);
        for (const time of [4.5, 12.5]) {
          await screen.call("seek", time);
          const late = () => screen.call("programTime").then((now) => now - Date.parse(BEGINS) - time * 1000);
          await screen.until("the time of day", async () => Math.abs(await late()) < 100, 5_000).catch(async (error) => {
            throw new Error(`${error.message}; it is off by ${await late()} ms`);
          });
        }
      });
    });
  }

  test("Shaka Player and hls.js find the chapters", async () => {
    await world.streams.get("main");
    const wanted = CHAPTERS.map(({ title, fromMs, toMs }) => ({ title, startTime: fromMs / 1000, endTime: toMs / 1000 }));
    await world.watch("shaka", "main/cmaf/master.m3u8", async (screen) => {
      assert.deepEqual(await screen.call("chapterList"), wanted);
    });
    await world.watch("hls", "main/cmaf/master.m3u8", async (screen) => {
      const list = await screen.call("chapterList");
      const said = JSON.parse(await readFile(world.streams.at("main", "cmaf", list), "utf8"));
      assert.deepEqual(said.map((chapter) => chapter["start-time"]), wanted.map(({ startTime }) => startTime));
    });
  });

  for (const [player, manifest] of [
    ["dash", "cmaf/manifest.mpd"],
    ["shaka", "cmaf/manifest.mpd"],
    ["shaka", "cmaf/master.m3u8"],
    ["shaka", "ts/master.m3u8"],
  ]) {
    test(`${player} finds the tile of each time of sprites/${manifest}`, async () => {
      await world.streams.get("sprites");
      await world.watch(player, `sprites/${manifest}`, async (screen) => {
        await screen.until("a first picture", ({ ready }) => ready >= 2);
        for (let tile = 0; tile < 8; tile += 1) {
          const { url, ...place } = await screen.call("thumbnail", tile + 0.4);
          const within = tile % 6;
          // 80 by 45, with an even height.
          assert.deepEqual(place, { x: (within % 3) * 80, y: Math.floor(within / 3) * 46, width: 80, height: 46 }, `tile ${tile}`);
          assert.match(url, new RegExp(`/out/sprites/sprites/0000${Math.floor(tile / 6) + 1}\\.jpg$`));
          assert.ok((await fetch(url)).ok, url);
        }
      });
    });
  }

  const captioned = ALL.filter(([player]) => player !== "dash");
  for (const [player, manifest] of [...captioned, ["shaka", "cmaf/manifest.mpd"], ["shaka", "ts/master.m3u8"]]) {
    test(`${player} shows the closed captions in the pictures of captioned/${manifest}`, async () => {
      await world.streams.get("captioned");
      await world.watch(player, `captioned/${manifest}`, async (screen) => {
        await screen.until("a first picture", ({ ready }) => ready >= 2);
        await screen.call("pickCaptions");
        await screen.call("play");
        const seen = new Map();
        // Players take away what they have gone past, so that they are collected while it is played.
        await screen.until("the end", async ({ ended }) => {
          if (player === "hls") await screen.call("pickCaptions");
          for (const cue of await screen.call("cues")) seen.set(JSON.stringify(cue), cue);
          return ended;
        });
        const all = [...seen.values()];
        const near = (a, b) => Math.abs(a.from - b.from) < 0.15 && Math.abs(a.to - b.to) < 0.15;
        const said = (cue) => CAPTIONS.find((one) => cue.text.includes(one.text) && near(cue, one));
        for (const cue of all) assert.ok(said(cue), `${JSON.stringify(cue)} is nothing that is said then`);
        // Shaka Player gives no captions of what was buffered before they were chosen.
        const last = CAPTIONS.slice(1).filter((one) => !all.some((cue) => said(cue) === one));
        assert.deepEqual(last, [], `${screen.what}: ${JSON.stringify(all)}`);
      });
    });
  }

  test("dash offers the closed captions in the pictures of captioned/cmaf/manifest.mpd", async () => {
    await world.streams.get("captioned");
    await world.watch("dash", "captioned/cmaf/manifest.mpd", async (screen) => {
      const tracks = await screen.call("text");
      assert.deepEqual(tracks.map(({ language, roles }) => [language, ...roles]), [["en", "caption"]]);
    });
  });

  for (const [packaging, ts] of [["cmaf"], ["ts", TS]]) {
    test(`Shaka Player plays the key frames of main/${packaging} at eight times the speed`, async () => {
      await world.streams.get("main");
      const times = keyFrames(await readFile(world.streams.at("main", packaging, "640x360", "iframes.m3u8"), "utf8"));
      assert.ok(times.length >= 10, `key frames at ${times}`);
      await world.watch("shaka", `main/${packaging}/master.m3u8`, async (screen) => {
        const highest = (await screen.call("rungs")).find(({ width }) => width === 640);
        await screen.call("pickRung", highest.id);
        await screen.call("play");
        await screen.until("the highest rung", ({ width }) => width === 640);
        await screen.call("trick", 8);
        await screen.until("the middle", ({ time }) => time > 9);
        await screen.call("take");
        const state = await screen.until("the end", ({ time }) => time > 17);
        const { seen } = await screen.call("take");
        right(seen, ts?.expected, screen.what);
        const numbers = [...new Set(seen.map(({ code }) => code.number))];
        assert.ok(numbers.length >= 3, `${screen.what}: only the pictures ${numbers} were shown`);
        const others = numbers.filter((number) => !times.includes(number));
        assert.deepEqual(others, [], `${screen.what}: shown were ${numbers}, key frames are ${times}`);
        calm(state, screen.what, ts ? TS_START : []);
      });
    });
  }
}

/** Frames at which a playlist of key frames (RFC 8216 §4.3.3.6) says that they are shown. */
function keyFrames(playlist) {
  let time = 0;
  return [...playlist.matchAll(/#EXTINF:([\d.]+)/g)].map(([, duration]) => {
    const frame = Math.round(time * FPS);
    time += Number(duration);
    return frame;
  });
}
