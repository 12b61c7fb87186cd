// Hears what is played: which tone, and when beeps begin.
import { fromHz } from "./pattern.mjs";

const RATE = 48_000;
/** Tones lie below this, the beep above it, Hz. */
const TONES_BELOW_HZ = 4500;
/** Loudness below which there is silence, dB full scale. */
const SILENCE_DB = -55;

export class Ears {
  #analyser;
  #levels;
  #context;
  /** When beeps began, in the time of `performance.now()`, and how late the video's clock was then. */
  beeps = [];

  static async listen(video) {
    const ears = new Ears();
    const context = new AudioContext({ sampleRate: RATE });
    await context.audioWorklet.addModule("/page/beeps.mjs");
    const source = context.createMediaElementSource(video);
    ears.#context = context;
    ears.#analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
    ears.#levels = new Float32Array(ears.#analyser.frequencyBinCount);
    const beeps = new AudioWorkletNode(context, "beeps", { numberOfOutputs: 1 });
    beeps.port.onmessage = ({ data }) => {
      const at = context.getOutputTimestamp();
      ears.beeps.push({ at: at.performanceTime + (data - at.contextTime) * 1000 });
    };
    // Nothing is heard, but what is not connected is not worked out either.
    const silence = new GainNode(context, { gain: 0 });
    source.connect(ears.#analyser).connect(silence).connect(context.destination);
    source.connect(beeps).connect(silence);
    await context.resume();
    return ears;
  }

  /** @returns {{hz: number, db: number, tone?: {track: number, second: number}} | undefined} undefined for silence. */
  now() {
    this.#analyser.getFloatFrequencyData(this.#levels);
    const width = RATE / this.#analyser.fftSize;
    let loudest = 2;
    for (let bin = 2; bin * width < TONES_BELOW_HZ; bin += 1) {
      if (this.#levels[bin] > this.#levels[loudest]) loudest = bin;
    }
    const [before, db, after] = [-1, 0, 1].map((step) => this.#levels[loudest + step]);
    if (!(db > SILENCE_DB)) return undefined;
    // The tip of the parabola through three bins.
    const hz = (loudest + (before - after) / (2 * (before - 2 * db + after))) * width;
    return { hz, db, tone: fromHz(hz) };
  }
}
