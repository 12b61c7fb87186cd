// Bundles the page into dist/: index.html, player.js, player.css. The daemon embeds what lies there.
import { build } from "esbuild";
import { copyFile, mkdir, rm } from "node:fs/promises";

await rm("dist", { recursive: true, force: true });
await mkdir("dist");
await build({
  entryPoints: ["src/player.ts"],
  outfile: "dist/player.js",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "eof",
  logLevel: "warning",
});
await copyFile("src/player.css", "dist/player.css");
await copyFile("src/index.html", "dist/index.html");
