// A test that ends: a stream that hangs must not hang the suite.
import test_ from "node:test";

/** Milliseconds that one test may take; most take a fifth of it. */
const TEST_MS = 150_000;
/** What a run is limited to, by a regular expression over names, where somebody looks for one fault. */
const ONLY = process.env.REELMILL_ONLY && new RegExp(process.env.REELMILL_ONLY);

export function test(name, run) {
  if (!ONLY || ONLY.test(name)) test_(name, { timeout: TEST_MS }, run);
}
