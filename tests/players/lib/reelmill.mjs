// Runs the real program: `reelmill transcode`, and a daemon that can be killed and started again.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds after which a daemon that has not answered, or a job that has not ended, counts as lost. */
const PATIENCE_MS = 120_000;
/** Milliseconds between two looks. */
const LOOK_MS = 50;

/** The program under test. */
export const PROGRAM = process.env.REELMILL_PROGRAM ?? "target/debug/reelmill";

/** The environment without settings of whoever runs the suite. */
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("REELMILL_")));
}

/** Runs the program to its end. @returns {Promise<string>} What it wrote to standard output. */
export async function run(...words) {
  const child = spawn(PROGRAM, words, { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  let [out, said] = ["", ""];
  child.stdout.on("data", (bytes) => (out += bytes));
  child.stderr.on("data", (bytes) => (said += bytes));
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error(`reelmill ${words.join(" ")} ended with ${status}:\n${said}`);
  return out;
}

/** Makes an output as a person at a shell would. */
export async function transcode(source, output, ...options) {
  await run("transcode", source, output, "--devices", "cpu", "--speed", "fast", ...options);
}

/** A daemon on free ports. */
export class Daemon {
  #child;
  #lives = 0;
  #grpc;

  constructor(directory) {
    this.directory = directory;
  }

  async start() {
    this.#lives += 1;
    const log = `${this.directory}.${this.#lives}.log`;
    const words = ["serve", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-format", "json", "--devices", "cpu"];
    words.push("--state-dir", this.directory, "--set", "sources.allow=127.0.0.1");
    this.#child = spawn(PROGRAM, words, { env: environment(), stdio: ["ignore", "ignore", openSync(log, "w")] });
    const ready = await until(`a daemon to be ready (${log})`, () => {
      if (this.#child.exitCode !== null) throw new Error(`the daemon ended: ${readFileSync(log, "utf8")}`);
      return lines(readFileSync(log, "utf8")).find((line) => line.message === "ready");
    });
    this.#grpc = `http://${ready.grpc}`;
  }

  /** Ends the process with no warning. */
  async kill() {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  /** @returns {Promise<string>} The job's number. */
  async submit(source, output, ...options) {
    const said = await run("submit", source, output, "--endpoint", this.#grpc, "--json", "--speed", "fast", ...options);
    return JSON.parse(said).id;
  }

  /** Hands over a whole job, as in proto/reelmill/v1/job.proto. */
  async submitWhole(job) {
    const file = `${this.directory}.job.json`;
    await writeFile(file, JSON.stringify(job));
    return JSON.parse(await run("submit", "--job", file, "--endpoint", this.#grpc, "--json")).id;
  }

  async succeeded(id) {
    await until(`job ${id} to succeed`, async () => {
      const { state, ...job } = JSON.parse(await run("get", id, "--endpoint", this.#grpc, "--json"));
      if (/FAILED|STOPPED/i.test(state)) throw new Error(`job ${id} is ${state}: ${JSON.stringify(job)}`);
      return /SUCCEEDED/i.test(state);
    });
  }
}

/** Lines of JSON; a last one that is not whole yet is left out. */
function lines(text) {
  return text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
}

/** Waits for an answer that is not falsy. */
export async function until(what, look, patienceMs = PATIENCE_MS) {
  const began = Date.now();
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() - began > patienceMs) throw new Error(`waited ${patienceMs / 1000} s for ${what}`);
    await sleep(LOOK_MS);
  }
}
