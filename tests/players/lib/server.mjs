// The web server of the suite, on 127.0.0.1: the page, the players, the streams with ranges, and slow sources.
import { once } from "node:events";
import { open } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".m3u8": "application/vnd.apple.mpegurl",
  ".mpd": "application/dash+xml",
  ".m4s": "video/iso.segment",
  ".mp4": "video/mp4",
  ".ts": "video/mp2t",
  ".vtt": "text/vtt",
};
/** Milliseconds between two pieces of a slow source. */
const TICK_MS = 100;
/** Most bytes of one. */
const PIECE_BYTES = 65_536;

/** Serves directories, each below a name of its own. */
export class Server {
  #http;
  #roots;
  /** Slow sources by name. */
  #slow = new Map();
  /** Requests that were answered with an error, as `404 /path`. */
  refused = [];

  /** @param {Record<string, string>} roots Directories by the first part of a path. */
  static async start(roots) {
    const server = new Server();
    server.#roots = roots;
    server.#http = createServer((request, response) => {
      server.#answer(request, response).catch((error) => {
        // A player that gives a request up is no fault.
        if (!response.headersSent) response.writeHead(500).end(String(error));
        response.destroy();
      });
    });
    server.#http.listen(0, "127.0.0.1");
    await once(server.#http, "listening");
    return server;
  }

  get address() {
    return `127.0.0.1:${this.#http.address().port}`;
  }

  url(path) {
    return `http://${this.address}/${path}`;
  }

  async stop() {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, "close");
  }

  /**
   * Serves a file so that only its first part can be read, and more as time goes by once it is let run.
   * @returns {{url: string, run: (share: number) => void}} `run` lets so much of the file through each second.
   */
  slow(name, file, share) {
    const source = { file, share, shareASecond: 0, since: 0 };
    this.#slow.set(name, source);
    return {
      url: this.url(`slow/${name}`),
      run: (shareASecond) => Object.assign(source, { shareASecond, since: Date.now() }),
    };
  }

  async #answer(request, response) {
    const url = new URL(request.url, "http://localhost");
    const [, root, ...rest] = decodeURIComponent(url.pathname).split("/");
    const slow = root === "slow" ? this.#slow.get(rest.join("/")) : undefined;
    const place = slow?.file ?? path.join(this.#roots[root] ?? "/nowhere", ...rest);
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Cache-Control", "no-store");
    const known = !rest.includes("..") && (root in this.#roots || slow);
    // One open file: a manifest may be replaced between a look at its length and the first byte.
    const file = known ? await open(place).catch(() => undefined) : undefined;
    try {
      const found = await file?.stat();
      if (found?.isFile()) await this.#send(request, response, { file, found, slow, place });
      else {
        this.refused.push(`404 ${url.pathname}`);
        response.writeHead(404).end("not found\n");
      }
    } finally {
      await file?.close();
    }
  }

  async #send(request, response, { file, found, slow, place }) {
    const range = wanted(request.headers.range, found.size);
    response.setHeader("Accept-Ranges", "bytes");
    response.setHeader("Content-Type", TYPES[path.extname(place)] ?? "application/octet-stream");
    response.setHeader("ETag", `"${found.size}-${found.mtimeMs}"`);
    if (range === null) {
      this.refused.push(`416 ${place} ${request.headers.range}`);
      response.writeHead(416, { "Content-Range": `bytes */${found.size}` }).end();
      return;
    }
    const { from, to } = range ?? { from: 0, to: found.size - 1 };
    response.setHeader("Content-Length", to + 1 - from);
    if (range) response.setHeader("Content-Range", `bytes ${from}-${to}/${found.size}`);
    response.writeHead(range ? 206 : 200);
    if (request.method === "HEAD" || found.size === 0) response.end();
    else if (slow) await pipeline(Readable.from(trickle(slow, from, to, found.size)), response);
    else await pipeline(file.createReadStream({ start: from, end: to, autoClose: false }), response);
  }
}

/** The bytes that a Range header asks for (RFC 9110 §14.2); undefined for all of them, null where there are none. */
function wanted(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  const from = match[1] === "" ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const to = match[1] === "" || match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  return from > to ? null : { from, to };
}

/** The bytes of a slow source from `at` to `to`, as they come to be there. */
async function* trickle(source, at, to, size) {
  const file = await open(source.file);
  try {
    while (at <= to) {
      const share = source.share + (source.shareASecond * (Date.now() - source.since)) / 1000;
      const end = Math.min(to + 1, Math.floor(size * share), at + PIECE_BYTES);
      if (end <= at) {
        await sleep(TICK_MS);
        continue;
      }
      const { buffer, bytesRead } = await file.read(Buffer.alloc(end - at), 0, end - at, at);
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}
