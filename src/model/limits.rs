//! Every bound in one place, each with its reason.

/// Largest message between daemon and worker, bytes. A range of source bytes is the largest thing that crosses.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Most key frames that facts list, three days of one each 4 s: facts travel as one message, as text of up to
/// 21 bytes a timestamp.
pub const KEY_FRAMES_MAX: usize = 65_536;
/// Largest range a worker may ask for at once, bytes: one message, with room for its header.
pub const READ_BYTES_MAX: usize = 1 << 20;
/// Most renditions of one kind in a job: ten times what real ladders have, small enough for a thread each.
pub const RENDITIONS_MAX: usize = 32;
/// Most audio renditions in a job.
pub const AUDIO_RENDITIONS_MAX: usize = 16;
/// Most text tracks of an output: films come in some thirty languages, each perhaps for the hard of hearing too.
pub const TEXT_TRACKS_MAX: usize = 64;
/// Most bytes of a file of text alone: a long film has 200 KiB, with styles 2 MiB. It is read whole.
pub const SIDECAR_BYTES_MAX: u64 = 16 << 20;
/// Most cues of a text track: a day with one a second.
pub const CUES_MAX: u32 = 100_000;
/// Most streams that a source may have: DVB multiplexes have some tens, hostile files have millions.
pub const STREAMS_MAX: usize = 1024;
/// Most sources of a job: a main file, its languages and its sidecars.
pub const SOURCES_MAX: usize = 16;
/// Shortest target segment, ms: below it the overhead of containers exceeds the media.
pub const SEGMENT_MS_MIN: u32 = 500;
/// Longest target segment, ms: a segment is what a crash costs, and what a player must load to start.
pub const SEGMENT_MS_MAX: u32 = 30_000;
/// Most spans side by side: more than the cores of any one box.
pub const SPANS_MAX: u32 = 256;
/// Bytes that first passes may keep of a span for the second: on disk beside its segments, a quarter of what those may
/// be. About five minutes of a ladder from 1080p at 30 frames a second; a longer source is made in several spans.
pub const TWO_PASS_BYTES_MAX: u64 = SPOOL_BYTES_MAX / 4;
/// Decoded frames that may wait between two stages. Shallow: throttling happens at the source, memory stays flat.
pub const FRAMES_IN_FLIGHT: usize = 2;
/// Packets that may wait between demuxer and decoder.
pub const PACKETS_IN_FLIGHT: usize = 32;
/// Bytes of finished segments that may wait for the daemon before a worker stops encoding.
pub const SPOOL_BYTES_MAX: u64 = 1 << 30;
/// Bytes read by the probe before it answers with what it has: enough for the first frames of 4K ProRes.
pub const PROBE_BYTES_MAX: i64 = 32 << 20;
/// Seconds that a probe may take: bad input must be named within 10 s.
pub const PROBE_SECONDS_MAX: u64 = 9;
/// Seconds that may be spent on finding black bars, where a job asks for it: some twenty seeks in a store far away, each with
/// a picture of UHD to decode.
pub const BARS_SECONDS_MAX: u64 = 20;
/// Seconds that may be spent on finding closed captions, where a job asks for all that there are: some twenty places in a
/// store far away, ten seconds of the source read at each.
pub const CAPTIONS_SECONDS_MAX: u64 = 20;
/// Microseconds that captions are seen if nothing erases them: receivers erase them when nothing came for 16 s (47 CFR
/// 79.101(i)).
pub const CAPTION_SHOWN_US_MAX: i64 = 16_000_000;
/// Chapters of a source that are known: a film has thirty, a lecture with one for each slide some hundreds.
pub const CHAPTERS_MAX: usize = 1000;
/// Characters of a chapter's title that are kept.
pub const TITLE_CHARS_MAX: usize = 200;
/// Seconds without a message after which a worker counts as hung. Its heartbeat comes each second.
pub const WORKER_SILENCE_SECONDS_MAX: u64 = 60;
/// Milliseconds between asking a worker to stop and killing it: a stop is done within 2 s.
pub const STOP_GRACE_MS: u64 = 800;
/// Address space of a worker, bytes: 8K 10-bit ladders need about 12 GiB; a runaway allocation fails, not the box.
pub const WORKER_ADDRESS_SPACE_MAX: u64 = 64 << 30;
/// Consecutive undecodable packets after which a source counts as undecodable when no frame was made at all.
pub const DECODE_ERRORS_MAX: u64 = 100_000;
/// Longest line of the encoder's own log that is kept, bytes.
pub const LOG_LINE_BYTES_MAX: usize = 1024;

/// Bytes of coded subtitles that are held to be burned into a span: those of a film in PGS are 20 to 60 MB.
pub const BURNED_BYTES_MAX: usize = 256 << 20;
/// Packets of them: in a transport stream a screen has five or more, and a film two thousand screens.
pub const BURNED_PACKETS_MAX: usize = 200_000;

const _: () = assert!(READ_BYTES_MAX < MESSAGE_BYTES_MAX, "a range must fit into a message");
const _: () = assert!(KEY_FRAMES_MAX * 21 < MESSAGE_BYTES_MAX / 2, "facts with all key frames must fit into a message");
const _: () = assert!(SEGMENT_MS_MIN < SEGMENT_MS_MAX, "the range of segment durations must not be empty");
const _: () = assert!(STOP_GRACE_MS < 2_000, "a stop must be done within 2 s");
const _: () = assert!(PROBE_SECONDS_MAX < 10, "bad input must be named within 10 s");
