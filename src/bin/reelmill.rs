//! The daemon and the command line. Links no FFmpeg.

fn main() {}
