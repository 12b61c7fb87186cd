//! The only process that links FFmpeg.

fn main() {}
