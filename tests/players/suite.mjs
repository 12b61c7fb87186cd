// The browser suite: plays what the real program makes, and checks pictures, sound and cues. `make test-players` runs it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, describe } from "node:test";
import { broken } from "./broken.mjs";
import { growing } from "./growing.mjs";
import { calibrate, matrix } from "./matrix.mjs";
import { special } from "./special.mjs";
import { Screen, browser, versions } from "./lib/screen.mjs";
import { Server } from "./lib/server.mjs";
import { Streams } from "./lib/streams.mjs";

/** Pages that play at the same time: playing is mostly waiting. */
const PAGES = Number(process.env.REELMILL_PAGES ?? 4);

const here = path.dirname(fileURLToPath(import.meta.url));

/** What all tests share. */
const world = {
  /** Opens a stream, and closes it after what is done with it. */
  async watch(player, path, done, options) {
    const screen = await Screen.open(this.browser, this.server, player, path, options);
    try {
      return await done(screen);
    } finally {
      await screen.close();
    }
  },
};

before(async () => {
  world.directory = await mkdtemp(path.join(tmpdir(), "reelmill-players-"));
  world.server = await Server.start({ page: path.join(here, "page"), lib: path.join(here, "node_modules"), out: world.directory });
  world.browser = await browser();
  world.streams = new Streams(world.directory, world.server);
  console.log(`Chromium ${world.browser.version()}, ${versions().join(", ")}, Node ${process.version}`);
  await calibrate(world);
});

after(async () => {
  await world.browser?.close();
  await world.server?.stop();
  if (world.directory) await rm(world.directory, { recursive: true, force: true });
});

describe("players", { concurrency: PAGES }, () => {
  growing(world);
  matrix(world);
  special(world);
  broken(world);
});
