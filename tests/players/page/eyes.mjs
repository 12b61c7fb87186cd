// Reads what is on screen: the number that a picture carries, beside the time that it is shown for.
import { BLOCKS, ROW_TOP, fromBits } from "./pattern.mjs";

/** Pixels across one block once the row is scaled down. */
const CELL = 4;
/** Pictures that are remembered; two minutes of them. */
const SEEN_MAX = 3000;

export class Eyes {
  #video;
  #canvas = new OffscreenCanvas(BLOCKS * CELL, CELL);
  #context = this.#canvas.getContext("2d", { willReadFrequently: true });
  /** Pictures in the order in which they were shown. */
  seen = [];

  constructor(video) {
    this.#video = video;
    this.#watch();
  }

  #watch() {
    this.#video.requestVideoFrameCallback((now, facts) => {
      const picture = this.look();
      // When it is shown is known of the picture that the call is about.
      const shownAt = picture?.time === facts.mediaTime ? facts.expectedDisplayTime : undefined;
      if (picture) this.seen.push({ ...picture, shownAt });
      if (this.seen.length > SEEN_MAX) this.seen.shift();
      this.#watch();
    });
  }

  /**
   * The picture that is on screen now. Its time is that of the picture itself, not the clock's: a page that is late may
   * see the one after the one that it was called for.
   * @returns {{time: number, width: number, height: number, code?: {number: number, file: number}, flash: boolean}}
   */
  look() {
    if (this.#video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || this.#video.videoWidth === 0) return undefined;
    const frame = new VideoFrame(this.#video);
    try {
      const { displayWidth: width, displayHeight: height } = frame;
      const row = this.#pixels(frame, [0, height * (ROW_TOP + 0.05), width, height * (0.9 - ROW_TOP)]);
      const bits = row.map((level) => (level > 128 ? 1 : 0));
      // A block that is neither black nor white is no block.
      const sharp = row.every((level) => level < 70 || level > 185);
      const above = this.#pixels(frame, [0, height * 0.1, width, height * 0.5]);
      const flash = Math.min(...above) > 200;
      return { time: frame.timestamp / 1e6, width, height, code: sharp ? fromBits(bits) : undefined, flash };
    } finally {
      frame.close();
    }
  }

  /** Mean luma of the middle of each block in a part of the picture. */
  #pixels(frame, [x, y, width, height]) {
    this.#context.drawImage(frame, x, y, width, height, 0, 0, BLOCKS * CELL, CELL);
    const { data } = this.#context.getImageData(0, 0, BLOCKS * CELL, CELL);
    const level = (column, line) => data[(line * BLOCKS * CELL + column) * 4 + 1];
    return Array.from({ length: BLOCKS }, (_, block) => {
      const column = block * CELL + CELL / 2;
      return (level(column - 1, 1) + level(column, 1) + level(column - 1, 2) + level(column, 2)) / 4;
    });
  }
}
