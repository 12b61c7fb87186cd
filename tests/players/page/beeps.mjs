// Runs where sound is worked out: tells the moment at which a beep begins, in the time of the audio context.

/** As in page/pattern.mjs: a worklet cannot import it everywhere. */
const BEEP_HZ = 5000;
/** Amplitude from which it is a beep; beeps have half of full scale. */
const THRESHOLD = 0.15;
/** Blocks of 128 samples without one before the next is another beep: a quarter of a second. */
const PAUSE_BLOCKS = 94;

class Beeps extends AudioWorkletProcessor {
  #quiet = PAUSE_BLOCKS;

  process([[left]]) {
    if (!left) return true;
    let [real, imaginary] = [0, 0];
    for (let at = 0; at < left.length; at += 1) {
      const angle = (2 * Math.PI * BEEP_HZ * at) / sampleRate;
      real += left[at] * Math.cos(angle);
      imaginary += left[at] * Math.sin(angle);
    }
    const amplitude = (2 * Math.hypot(real, imaginary)) / left.length;
    if (amplitude < THRESHOLD) {
      this.#quiet += 1;
    } else {
      if (this.#quiet >= PAUSE_BLOCKS) this.port.postMessage(currentTime);
      this.#quiet = 0;
    }
    return true;
  }
}

registerProcessor("beeps", Beeps);
