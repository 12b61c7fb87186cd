//! Images of watermarks: what they are is read from their first bytes, so that none is decoded that is too large or moves.

use super::raster::Raster;
use super::{Images, fonts};
use crate::av::input::Interrupt;
use crate::av::{AvError, ByteSource, Decoder, Frame, Graph, Input, Packet, Polled};
use crate::model::facts::{ColorTags, MediaFacts, Scan, StreamFacts, StreamKind, VideoFacts};
use crate::model::{Problem, Ratio};
use crate::pipeline::faults;
use resvg::{tiny_skia, usvg};
use std::collections::BTreeMap;
use std::io;

/// Largest file, bytes: a logo of 8192 pixels a side compresses to less.
const BYTES_MAX: u64 = 16 << 20;
/// Longest side, pixels: twice that of a UHD picture.
const SIDE_MAX: u32 = 8192;
/// Most pixels: 128 MiB when decoded.
const PIXELS_MAX: u64 = 1 << 25;

/// An image, ready to be drawn at any size.
pub(super) enum Artwork {
    Pixels(Raster),
    Drawing(Box<usvg::Tree>),
}

/// What an image is, by its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::pipeline) struct Head {
    pub(in crate::pipeline) codec: &'static str,
    pub(in crate::pipeline) width: u32,
    pub(in crate::pipeline) height: u32,
    pub(in crate::pipeline) animated: bool,
}

/// What an image of a watermark is: one picture, without duration.
///
/// # Errors
/// `source.empty`, `source.unreadable`; `watermark.not_image`, `watermark.too_large`, `watermark.animated`,
/// `watermark.damaged`.
pub fn probe(source: Box<dyn ByteSource>) -> Result<MediaFacts, Problem> {
    let size_bytes = source.size();
    let (head, artwork) = read(source)?;
    // Drawn once, small: what cannot be drawn is told now.
    artwork.at_size(16, 16, &Images::default())?;
    Ok(facts(&head, size_bytes))
}

/// What an image is, as a source: one picture, without duration.
pub(in crate::pipeline) fn facts(head: &Head, size_bytes: u64) -> MediaFacts {
    let video = VideoFacts {
        width: head.width,
        height: head.height,
        sample_aspect: Ratio::new(1, 1),
        rotation: 0,
        mirrored: false,
        display_width: head.width,
        display_height: head.height,
        frame_rate: Ratio::new(0, 1),
        variable_rate: false,
        scan: Scan::Progressive,
        pixel_format: "rgba".to_owned(),
        bit_depth: 8,
        rgb: true,
        color: ColorTags::default(),
        hdr: None,
        first_pts: None,
        key_frames: Vec::new(),
        area: None,
    };
    let stream = StreamFacts {
        role: None,
        index: 0,
        kind: StreamKind::Video,
        program: None,
        codec: head.codec.to_owned(),
        profile: None,
        time_base: Ratio::new(1, 1000),
        start: None,
        duration: None,
        bit_rate: None,
        language: None,
        title: None,
        default: false,
        forced: false,
        descriptive: false,
        hearing_impaired: false,
        attached_picture: false,
        encrypted: false,
        decodable: true,
        video: Some(video),
        audio: None,
    };
    MediaFacts {
        container: "image".to_owned(),
        size_bytes,
        duration_us: None,
        media_end_us: None,
        start_us: None,
        bit_rate: None,
        truncated: false,
        seekable: false,
        streams: vec![stream],
        chapters: Vec::new(),
        tags: BTreeMap::new(),
        captions: None,
    }
}

impl Artwork {
    /// Reads and decodes an image.
    ///
    /// # Errors
    /// As [`probe`].
    pub(super) fn read(source: Box<dyn ByteSource>) -> Result<Self, Problem> {
        read(source).map(|(_, artwork)| artwork)
    }

    /// Its pixels at this size.
    pub(super) fn at_size(&self, width: u32, height: u32, _: &Images) -> Result<Raster, Problem> {
        match self {
            Self::Pixels(raster) => Ok(raster.at_size(width, height)),
            Self::Drawing(tree) => {
                let size = tree.size();
                let mut pixmap = tiny_skia::Pixmap::new(width, height).ok_or_else(damaged)?;
                let scale = tiny_skia::Transform::from_scale(
                    width as f32 / size.width().max(f32::MIN_POSITIVE),
                    height as f32 / size.height().max(f32::MIN_POSITIVE),
                );
                resvg::render(tree, scale, &mut pixmap.as_mut());
                Ok(Raster { width, height, pixels: pixmap.take() })
            }
        }
    }
}

fn read(source: Box<dyn ByteSource>) -> Result<(Head, Artwork), Problem> {
    let size = source.size();
    if size == 0 {
        return Err(Problem::input("source.empty", "the image is empty (0 bytes); check the upload"));
    }
    if size > BYTES_MAX {
        let message = format!("the image has {size} bytes: give one of at most {} MiB", BYTES_MAX >> 20);
        return Err(Problem::input("watermark.too_large", message));
    }
    let bytes = read_whole(source)?;
    let Some(head) = head(&bytes) else { return drawing(&bytes) };
    if head.animated {
        let message = "the image is animated, and a watermark is one picture: save one of its pictures by itself";
        return Err(Problem::input("watermark.animated", message));
    }
    check_size(head.width, head.height)?;
    let raster = decode(bytes).map_err(|_| damaged())?.ok_or_else(damaged)?;
    check_size(raster.width, raster.height)?;
    Ok((Head { width: raster.width, height: raster.height, ..head }, Artwork::Pixels(raster)))
}

/// All bytes of a source, which are not too many.
pub(in crate::pipeline) fn read_whole(mut source: Box<dyn ByteSource>) -> Result<Vec<u8>, Problem> {
    let mut bytes = vec![0; source.size() as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match source.read_at(filled as u64, &mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) => return Err(faults::unreadable(&error.to_string())),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn check_size(width: u32, height: u32) -> Result<(), Problem> {
    if width.max(height) > SIDE_MAX || u64::from(width) * u64::from(height) > PIXELS_MAX {
        let message = format!(
            "the image is {width}x{height}: give one of at most {SIDE_MAX} pixels a side and {} million in all",
            PIXELS_MAX / 1_000_000
        );
        return Err(Problem::input("watermark.too_large", message));
    }
    if width == 0 || height == 0 { Err(damaged()) } else { Ok(()) }
}

fn damaged() -> Problem {
    Problem::input("watermark.damaged", "the image cannot be decoded: check that the file is whole")
}

/// An SVG. Nothing that it refers to is loaded.
fn drawing(bytes: &[u8]) -> Result<(Head, Artwork), Problem> {
    let not_image = || {
        let message = "the watermark is no image that can be read: give a PNG, JPEG, WebP or SVG file";
        Problem::input("watermark.not_image", message)
    };
    // Compressed SVG is left alone: how large it becomes is known when it is too late.
    let text = std::str::from_utf8(bytes).map_err(|_| not_image())?;
    let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if !start.starts_with('<') || !text.contains("<svg") {
        return Err(not_image());
    }
    let image_href_resolver =
        usvg::ImageHrefResolver { resolve_data: Box::new(|_, _, _| None), resolve_string: Box::new(|_, _| None) };
    let mut options = usvg::Options { image_href_resolver, ..usvg::Options::default() };
    if text.contains("<text") {
        options.fontdb = fonts::Fonts::of_this_machine().database();
    }
    let tree = usvg::Tree::from_str(text, &options).map_err(|_| damaged())?;
    let side = |length: f32| length.ceil().clamp(1.0, 1e6) as u32;
    let (width, height) = (side(tree.size().width()), side(tree.size().height()));
    check_size(width, height)?;
    Ok((Head { codec: "svg", width, height, animated: false }, Artwork::Drawing(Box::new(tree))))
}

/// What a file of pixels is; `None` for others.
pub(in crate::pipeline) fn head(bytes: &[u8]) -> Option<Head> {
    png(bytes).or_else(|| webp(bytes)).or_else(|| jpeg(bytes))
}

fn big(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(length)?)?;
    Some(part.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

fn little(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(length)?)?;
    Some(part.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

/// ISO/IEC 15948 §11.2.2; animated where `acTL` stands before the first `IDAT`.
fn png(bytes: &[u8]) -> Option<Head> {
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") || bytes.get(12..16) != Some(b"IHDR") {
        return None;
    }
    let (width, height) = (big(bytes, 16, 4)?, big(bytes, 20, 4)?);
    let (mut at, mut animated) = (8_usize, false);
    while let (Some(length), Some(name)) = (big(bytes, at, 4), bytes.get(at + 4..at + 8)) {
        if name == b"IDAT" {
            break;
        }
        animated |= name == b"acTL";
        at = at.saturating_add(length as usize).saturating_add(12);
    }
    Some(Head { codec: "png", width, height, animated })
}

/// RFC 9649 §2.
fn webp(bytes: &[u8]) -> Option<Head> {
    if !bytes.starts_with(b"RIFF") || bytes.get(8..12) != Some(b"WEBP") {
        return None;
    }
    let (width, height, animated) = match bytes.get(12..16)? {
        b"VP8X" => (little(bytes, 24, 3)? + 1, little(bytes, 27, 3)? + 1, bytes.get(20)? & 2 != 0),
        b"VP8 " => (little(bytes, 26, 2)? & 0x3fff, little(bytes, 28, 2)? & 0x3fff, false),
        b"VP8L" => {
            let sides = little(bytes, 21, 4)?;
            ((sides & 0x3fff) + 1, (sides >> 14 & 0x3fff) + 1, false)
        }
        _ => return None,
    };
    Some(Head { codec: "webp", width, height, animated })
}

/// ITU-T T.81 §B.2.2: the frame header.
fn jpeg(bytes: &[u8]) -> Option<Head> {
    if !bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        return None;
    }
    let mut at = 2_usize;
    loop {
        let marker = *bytes.get(at + 1)?;
        if bytes[at] != 0xff {
            return None;
        }
        match marker {
            0xff => at += 1,
            0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&marker) => {
                let (height, width) = (big(bytes, at + 5, 2)?, big(bytes, at + 7, 2)?);
                return Some(Head { codec: "mjpeg", width, height, animated: false });
            }
            _ => at = at.checked_add(2 + big(bytes, at + 2, 2)? as usize)?,
        }
    }
}

struct Memory(Vec<u8>);

impl ByteSource for Memory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// Width and height of an image as it is decoded; `None` where it cannot be.
pub(in crate::pipeline) fn decoded_size(bytes: Vec<u8>) -> Option<(u32, u32)> {
    decode(bytes).ok().flatten().map(|raster| (raster.width, raster.height))
}

/// The first picture, as red, green, blue and alpha; `None` where there is none.
fn decode(bytes: Vec<u8>) -> Result<Option<Raster>, AvError> {
    let mut input = Input::open(Box::new(Memory(bytes)), Interrupt::default())?;
    input.find_stream_info()?;
    let info = input.stream_info(0)?;
    let mut decoder = Decoder::open(&info.params, info.time_base, 1)?;
    let (mut packet, mut frame) = (Packet::new()?, Frame::new()?);
    let mut more = true;
    loop {
        if more {
            more = input.read(&mut packet)?;
            decoder.send(more.then_some(&packet))?;
        }
        match decoder.receive(&mut frame)? {
            Polled::Ready => return pixels(&frame, info.time_base),
            Polled::NeedInput if more => {}
            Polled::NeedInput | Polled::End => return Ok(None),
        }
    }
}

fn pixels(frame: &Frame, time_base: Ratio) -> Result<Option<Raster>, AvError> {
    if frame.is_corrupt() {
        return Ok(None);
    }
    let format = frame.picture_format();
    let mut graph = Graph::video("scale=flags=bicubic+accurate_rnd+full_chroma_int,format=rgba", format, time_base)?;
    graph.send(Some(frame))?;
    graph.send(None)?;
    let mut made = Frame::new()?;
    if graph.receive(&mut made)? != Polled::Ready {
        return Ok(None);
    }
    let rows: Option<Vec<&[u8]>> = (0..format.height as usize).map(|row| made.packed_row(row)).collect();
    Ok(rows.map(|rows| Raster::premultiplied(format.width, format.height, rows.concat())))
}
