// A browser, and pages in it that play one stream each.
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

/** Where Debian puts it. */
const CHROMIUM = process.env.REELMILL_CHROMIUM ?? "/usr/bin/chromium";
/** Milliseconds between two looks at a page. */
const LOOK_MS = 50;
/** Milliseconds that anything a player does may take, on a machine with other work. */
export const PATIENCE_MS = 30_000;

/** Starts the browser; without a window, a sound card or a sandbox, as in a container. */
export async function browser() {
  if (!existsSync(CHROMIUM)) throw new Error(`there is no ${CHROMIUM}; \`make setup\` installs it`);
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--autoplay-policy=no-user-gesture-required",
      "--disable-background-timer-throttling",
      "--disable-backgrounding-occluded-windows",
      "--disable-renderer-backgrounding",
    ],
  });
}

/** Versions of the players, as they are installed. */
export function versions() {
  const facts = (name) => JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), "utf8"));
  return ["hls.js", "dashjs", "shaka-player", "playwright-core"].map((name) => `${name} ${facts(name).version}`);
}

/** One page with one stream. */
export class Screen {
  /** @param {string} player `hls`, `dash`, `shaka` or `native`. */
  static async open(browser, server, player, path, options = {}) {
    const screen = new Screen();
    screen.what = `${player} with ${path}`;
    screen.page = await browser.newPage();
    screen.page.on("pageerror", (error) => (screen.crash ??= error));
    try {
      await screen.page.goto(server.url("page/index.html"));
      await screen.page.waitForFunction(() => window.stage !== undefined);
      const opened = screen.call("open", player, server.url(`out/${path}`), options);
      await screen.#patiently(opened, options.patienceMs ?? PATIENCE_MS, "the stream to open");
    } catch (error) {
      await screen.close();
      throw error;
    }
    return screen;
  }

  /** Calls a method of the page. */
  async call(method, ...words) {
    if (this.crash) throw new Error(`${this.what}: the page failed: ${this.crash.stack}`);
    return this.page.evaluate(([method, words]) => window.stage[method](...words), [method, words]);
  }

  /** Waits until the state of the page is as it should be. @returns The state. */
  async until(what, holds, patienceMs = PATIENCE_MS) {
    const began = Date.now();
    for (;;) {
      const state = await this.call("state");
      if (await holds(state)) return state;
      if (Date.now() - began > patienceMs) {
        throw new Error(`${this.what}: waited ${patienceMs / 1000} s for ${what}; it is ${JSON.stringify(state)}`);
      }
      await sleep(LOOK_MS);
    }
  }

  /** Plays until a time of the stream. */
  async playTo(time, patienceMs) {
    await this.call("play");
    return this.until(`playback to reach ${time} s`, (state) => state.time >= time || state.ended, patienceMs);
  }

  async close() {
    await this.page.close();
  }

  async #patiently(task, patienceMs, what) {
    const late = sleep(patienceMs, undefined, { ref: false }).then(async () => {
      const { troubles } = await this.call("state");
      throw new Error(`${this.what}: waited ${patienceMs / 1000} s for ${what}; ${troubles.join("; ") || "no word of trouble"}`);
    });
    return Promise.race([task, late]);
  }
}
