// What the page needs from a playback library. hls.ts and dash.ts are the two that there are.

/** One video rung as the manifest declares it. */
export interface Rung {
  /** Unique in the stream; what `pickRung` takes. */
  id: string;
  width: number;
  height: number;
  /** Frames a second; 0 where the manifest does not say. */
  frameRate: number;
  /** Declared peak, bits a second. */
  bandwidth: number;
  /** Declared mean, bits a second; DASH has none. */
  averageBandwidth?: number;
  /** RFC 6381 string of the video track. */
  codec: string;
}

/** One audio track. */
export interface AudioTrack {
  id: string;
  label: string;
}

/** What changes while a stream plays. */
export interface Status {
  /** The rung on screen, and the rung being loaded. */
  playing?: string;
  loading?: string;
  /** Whether the library picks the rung. */
  auto: boolean;
  audio?: string;
  /** Bits a second; undefined until something has been measured. */
  estimate?: number;
  /** Whether more media is still to come. */
  growing: boolean;
}

/** What an engine tells the page. */
export interface Listener {
  /** Rungs or audio tracks are known, or have changed. */
  changed(): void;
  /** Playback cannot go on. */
  failed(message: string): void;
}

/** One stream, loaded into the page's video element. */
export interface Engine {
  rungs(): Rung[];
  audioTracks(): AudioTrack[];
  status(): Status;
  /** Fixes the rung; undefined gives the choice back to the library. */
  pickRung(id: string | undefined): void;
  pickAudio(id: string): void;
  /** Lets go of the video element. */
  destroy(): void;
}
