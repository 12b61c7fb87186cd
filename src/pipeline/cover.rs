//! Covers of progressive files: an image file, or a picture that is attached to a source. They are checked as images of
//! watermarks are, by their first bytes and then by decoding them, and handed on as they are.

use super::faults;
use super::marks::image::{self, Head};
use crate::av::input::Interrupt;
use crate::av::{ByteSource, Input, Packet};
use crate::model::labels::{COVER_BYTES_MAX, COVER_SIDE_MAX, Cover, CoverFormat};
use crate::model::{MediaFacts, Problem};

/// Packets of a source among which an attached picture is looked for: FFmpeg hands those out before the media.
const PACKETS_MAX: usize = 1024;

/// What an image is that is to be a cover.
///
/// # Errors
/// As [`of_file`].
pub fn probe(source: Box<dyn ByteSource>) -> Result<MediaFacts, Problem> {
    let size = source.size();
    checked(read(source)?).map(|(head, _)| image::facts(&head, size))
}

/// The cover that a file is.
///
/// # Errors
/// `source.empty`, `source.unreadable`; `cover.not_image`, `cover.too_large`, `cover.animated`, `cover.damaged`.
pub fn of_file(source: Box<dyn ByteSource>) -> Result<Cover, Problem> {
    checked(read(source)?).map(|(_, cover)| cover)
}

/// The cover that a stream of a source is.
///
/// # Errors
/// As [`of_file`]; `cover.damaged` where the stream has no picture.
pub fn attached(source: Box<dyn ByteSource>, stream: u32, interrupt: Interrupt) -> Result<Cover, Problem> {
    let mut input = Input::open(source, interrupt).map_err(|error| faults::source(error, None))?;
    let mut packet = Packet::new().map_err(faults::internal)?;
    for _ in 0..PACKETS_MAX {
        match input.read(&mut packet) {
            Ok(true) if packet.stream() == stream => {
                let bytes = packet.data();
                check_bytes(bytes.len() as u64)?;
                return checked(bytes.to_vec()).map(|(_, cover)| cover);
            }
            Ok(true) => {}
            Ok(false) | Err(_) => break,
        }
    }
    match input.source_failure() {
        Some(failure) => Err(faults::unreadable(&failure)),
        None => Err(damaged()),
    }
}

fn read(source: Box<dyn ByteSource>) -> Result<Vec<u8>, Problem> {
    if source.size() == 0 {
        return Err(Problem::input("source.empty", "the image is empty (0 bytes); check the upload"));
    }
    check_bytes(source.size())?;
    image::read_whole(source)
}

fn check_bytes(bytes: u64) -> Result<(), Problem> {
    if bytes <= COVER_BYTES_MAX {
        return Ok(());
    }
    let message = format!("the cover has {bytes} bytes: give one of at most {} MiB", COVER_BYTES_MAX >> 20);
    Err(Problem::input("cover.too_large", message))
}

/// A cover, with what its first bytes say of it; decoded once, at no more than its size may be.
fn checked(bytes: Vec<u8>) -> Result<(Head, Cover), Problem> {
    let not_image =
        || Problem::input("cover.not_image", "the cover is no image that players show: give a JPEG or PNG file");
    let head = image::head(&bytes).ok_or_else(not_image)?;
    let format = CoverFormat::of_codec(head.codec).ok_or_else(not_image)?;
    if head.animated {
        let message = "the cover is animated, and players show one picture: save one of its pictures by itself";
        return Err(Problem::input("cover.animated", message));
    }
    check_size(head.width, head.height)?;
    let (width, height) = image::decoded_size(bytes.clone()).ok_or_else(damaged)?;
    check_size(width, height)?;
    Ok((head, Cover { format, bytes }))
}

fn check_size(width: u32, height: u32) -> Result<(), Problem> {
    if width.max(height) > COVER_SIDE_MAX {
        let message = format!("the cover is {width}x{height}: give one of at most {COVER_SIDE_MAX} pixels a side");
        return Err(Problem::input("cover.too_large", message));
    }
    if width == 0 || height == 0 { Err(damaged()) } else { Ok(()) }
}

fn damaged() -> Problem {
    Problem::input("cover.damaged", "the cover cannot be decoded: check that the image is whole")
}
