// How numbers are shown.

/** Bits a second: `5.2 Mb/s`, `640 kb/s`. */
export function bitRate(bits: number | undefined): string {
  if (!bits || !Number.isFinite(bits)) return "–";
  if (bits >= 1e6) return `${(bits / 1e6).toFixed(bits >= 1e8 ? 0 : 1)} Mb/s`;
  return `${Math.round(bits / 1e3)} kb/s`;
}

/** Seconds as `1:02:03` or `2:03`. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60);
  const rest = String(whole % 60).padStart(2, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/** Frames a second without needless zeros: `25`, `29.97`. */
export function frameRate(rate: number): string {
  return rate > 0 ? String(Math.round(rate * 100) / 100) : "–";
}

/** The everyday name of an RFC 6381 codecs string. */
export function codecName(codec: string): string {
  const names: [RegExp, string][] = [
    [/^avc[13]/, "H.264"],
    [/^(hvc1|hev1)/, "HEVC"],
    [/^av01/, "AV1"],
    [/^vp09/, "VP9"],
    [/^mp4a/, "AAC"],
    [/^opus/i, "Opus"],
  ];
  return names.find(([pattern]) => pattern.test(codec))?.[1] ?? codec;
}
