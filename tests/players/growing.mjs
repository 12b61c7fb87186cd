// Streams that are watched while they are made: the source comes as fast as it would be recorded.
import assert from "node:assert/strict";
import { calm, flows } from "./lib/checks.mjs";
import { Daemon, until } from "./lib/reelmill.mjs";
import { SLOW_SECONDS, SMALL, named } from "./lib/streams.mjs";
import { hears } from "./lib/walk.mjs";
import { test } from "./lib/test.mjs";
import { TS, TS_START } from "./matrix.mjs";

/** Share of the source that is there at the start; a probe wants the first 12 s. */
const AT_ONCE = 0.5;

const WAYS = [
  ["hls", "cmaf/master.m3u8"],
  ["hls", "ts/master.m3u8", TS],
  ["dash", "cmaf/manifest.mpd"],
  ["shaka", "cmaf/manifest.mpd"],
  ["shaka", "cmaf/master.m3u8"],
];

export function growing(world) {
  test("five players watch a job to its end while it runs", async () => {
    const { streams, server } = world;
    const slow = server.slow("live", await streams.get("slow.mp4"), AT_ONCE);
    const daemon = new Daemon(streams.at("live-state"));
    try {
      await daemon.start();
      const id = await daemon.submit(slow.url, streams.at("live"), ...SMALL);
      for (const packaging of ["cmaf", "ts"]) {
        const playlist = streams.at("live", packaging, "320x180", "media.m3u8");
        await until(`segments in ${packaging}`, async () => (await named(playlist)).length >= 4);
      }
      await until("the MPD", async () => (await named(streams.at("live", "cmaf", "manifest.mpd"))).length > 0);
      const watched = WAYS.map(([player, manifest, ts]) => {
        const plan = { expected: ts?.expected, known: ts ? TS_START : [] };
        return world.watch(player, `live/${manifest}`, (screen) => watchToEnd(screen, plan), { start: 0 });
      });
      slow.run(1 / SLOW_SECONDS);
      await Promise.all(watched);
      await daemon.succeeded(id);
    } finally {
      await daemon.kill();
    }
  });
}

async function watchToEnd(screen, plan) {
  const begun = await screen.until("a first picture", ({ ready }) => ready >= 2);
  assert.ok(begun.growing, `${screen.what}: the player takes it for finished: ${JSON.stringify(begun)}`);
  assert.ok(begun.time < 0.1, `${screen.what}: it begins at ${begun.time} s, not at the start`);
  await screen.call("play");
  for (const time of [5, 15, 25]) {
    await screen.playTo(time);
    await hears(screen, 0, plan);
  }
  const state = await screen.until("the end", ({ ended }) => ended);
  const { seen } = await screen.call("take");
  flows(seen, plan.expected, screen.what);
  const last = await screen.call("look");
  assert.equal(last.code?.number, SLOW_SECONDS * 25 - 1, `${screen.what}: the last picture`);
  assert.ok(!state.growing, `${screen.what}: the player still waits for more`);
  calm(state, screen.what, plan.known);
}
