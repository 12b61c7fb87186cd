//! Whole-system tests: the command, the real worker, real encodes, looked at with FFmpeg's own tools.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test, which is what it means")]

mod bad;
mod bars;
mod burned;
mod captions;
mod channels;
mod codecs_of_sound;
mod colours;
mod covers;
mod dies;
mod drops;
mod encoders;
mod joined;
mod joined_text;
mod looks;
mod manifests;
mod numbered;
mod pictures;
mod rates;
mod sound;
mod sources;
mod spans;
mod sprites;
mod stills;
mod stills_look;
mod telecine;
mod teletext;
mod text;
mod tools;
mod two_pass;
mod vp9;
mod watermarks;
