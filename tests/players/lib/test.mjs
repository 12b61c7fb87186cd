// A test that ends: a stream that hangs must not hang the suite.
import test_ from "node:test";

/** Milliseconds that one test may take, both times together; most take a tenth of it. */
const TEST_MS = 240_000;
/** What a run is limited to, by a regular expression over names, where somebody looks for one fault. */
const ONLY = process.env.REELMILL_ONLY && new RegExp(process.env.REELMILL_ONLY);

export function test(name, run) {
  if (!ONLY || ONLY.test(name)) test_(name, { timeout: TEST_MS }, (context) => patiently(name, () => run(context)));
}

/**
 * A stream is made once, so that what is wrong with it is wrong a second time. A browser on a machine with much to do is
 * another matter: what it misses once is looked at again, and told.
 */
async function patiently(name, run) {
  try {
    return await run();
  } catch (error) {
    console.log(`${name}: failed, and is tried once more: ${error.message}`);
    return run();
  }
}
