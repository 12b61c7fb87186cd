//! From a picture of the source to the bytes of an image file.

use crate::av::{Encoder, Frame, Packet, Polled, VideoEncoderSpec, names};
use crate::model::facts::ColorTags;
use crate::model::request::ImageFormat;
use crate::model::stills::{PictureSet, Sheet};
use crate::model::{Problem, Ratio};
use crate::pipeline::faults;
use crate::pipeline::flow::Stopped;
use crate::pipeline::prepare::Filter;

/// FFmpeg's scale of quantisers (`FF_QP2LAMBDA`).
const QP_TO_LAMBDA: u32 = 118;
/// Quantisers of JPEG as FFmpeg counts them: at 8 its tables stand as they are.
const JPEG_QUANTISERS: (u32, u32) = (1, 31);
const ONE: Ratio = Ratio::new(1, 25);

/// Puts a picture through a graph by itself: nothing of it is seen in another one.
pub(in crate::pipeline) fn filtered(picture: &Frame, graph: &str) -> Result<Frame, Stopped> {
    let mut made = None;
    let mut keep = |frame: Frame| {
        made.get_or_insert(frame);
        Ok(())
    };
    let mut filter = Filter::new("single pictures", graph, ONE);
    let mut frame = picture.reference().map_err(faults::internal)?;
    frame.set_pts(Some(0));
    filter.apply(frame, &mut keep)?;
    filter.drain(&mut keep)?;
    let missing = || Problem::bug("filter.failed", "a filter graph kept a picture back; please report this source");
    made.ok_or_else(|| missing().into())
}

/// The graph from a picture of the source to what the encoder of a set takes, or to a tile. What graphs of the planner
/// leave is 8-bit 4:2:0 in limited range; JPEG has full range and BT.601 (JFIF 1.02), WebP limited range and BT.601
/// (RFC 9649 §3.2), PNG RGB.
pub(super) fn graph(set: &PictureSet, prepare: &str) -> String {
    let (width, height, matrix) = (set.width, set.height, &set.matrix);
    let scale = format!("scale=w={width}:h={height}:flags=bicubic:in_color_matrix={matrix}:in_range=tv");
    let last = match (set.format, set.sheet) {
        (ImageFormat::Jpeg, None) => format!("{scale}:out_color_matrix=bt601:out_range=pc,format=yuvj420p"),
        (ImageFormat::Jpeg, Some(_)) => format!("{scale}:out_color_matrix=bt601:out_range=pc,format=yuv420p"),
        (ImageFormat::Webp, _) => format!("{scale}:out_color_matrix=bt601:out_range=tv,format=yuv420p"),
        (ImageFormat::Png, _) => format!("{scale},format=rgb24"),
    };
    let parts = [prepare, &set.graph, &last];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",")
}

/// An empty sheet of a set.
pub(super) fn empty_sheet(set: &PictureSet, sheet: Sheet) -> Result<Frame, Problem> {
    let (width, height) = (set.width * sheet.columns, set.height * sheet.rows);
    let format = names::pixel_format("yuv420p").unwrap_or(-1);
    let mut frame = Frame::picture(width, height, format).map_err(faults::internal)?;
    if set.format == ImageFormat::Jpeg {
        frame.paint(0, 0);
    }
    Ok(frame)
}

/// Puts a tile in its place, counted row by row.
pub(super) fn put_tile(into: &mut Frame, tile: &Frame, sheet: Sheet, place: u32) {
    let (column, row) = ((place % sheet.columns) as usize, (place / sheet.columns) as usize);
    for plane in 0..3 {
        let Some((rows, samples)) = tile.plane_size(plane) else { continue };
        for line in 0..rows {
            let to = into.row_mut(plane, row * rows + line);
            let to = to.and_then(|to| to.get_mut(column * samples..(column + 1) * samples));
            if let (Some(to), Some(from)) = (to, tile.row(plane, line)) {
                to.copy_from_slice(from);
            }
        }
    }
}

/// The bytes of a sheet.
pub(super) fn encode_sheet(set: &PictureSet, sheet: &Frame) -> Result<Vec<u8>, Stopped> {
    match set.format {
        // The samples stay; the encoder knows full range by the name of the format.
        ImageFormat::Jpeg => encode(set, &filtered(sheet, "scale=in_range=pc:out_range=pc,format=yuvj420p")?),
        ImageFormat::Webp | ImageFormat::Png => encode(set, sheet),
    }
}

/// FFmpeg's encoder of a format.
pub(super) const fn encoder(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "mjpeg",
        ImageFormat::Png => "png",
        ImageFormat::Webp => "libwebp",
    }
}

/// The bytes of a picture that has come through the graph of its set.
pub(super) fn encode(set: &PictureSet, picture: &Frame) -> Result<Vec<u8>, Stopped> {
    let size = picture.picture_format();
    let (pixel_format, color) = match set.format {
        ImageFormat::Jpeg => ("yuvj420p", tags("pc", "smpte170m")),
        ImageFormat::Png => ("rgb24", tags("pc", "gbr")),
        ImageFormat::Webp => ("yuv420p", tags("tv", "smpte170m")),
    };
    let lambda = jpeg_quantiser(set.quality) * QP_TO_LAMBDA;
    let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let options = match set.format {
        ImageFormat::Jpeg => {
            // Closed groups, which a picture by itself has no use for, are refused by this encoder.
            vec![option("flags", "-cgop+qscale"), option("qmin", "1"), option("global_quality", &lambda.to_string())]
        }
        ImageFormat::Png => Vec::new(),
        ImageFormat::Webp => vec![option("quality", &set.quality.to_string())],
    };
    let spec = VideoEncoderSpec {
        encoder: encoder(set.format),
        width: size.width,
        height: size.height,
        pixel_format,
        timescale: 25,
        frame_rate: ONE.inverse(),
        color: &color,
        options: &options,
    };
    let failed = |error| faults::encoder(&set.id, error);
    let mut encoder = Encoder::video(&spec).map_err(failed)?;
    let mut frame = picture.reference().map_err(faults::internal)?;
    frame.set_pts(Some(0));
    if set.format == ImageFormat::Jpeg {
        frame.set_quality(i32::try_from(lambda).unwrap_or(i32::MAX));
    }
    encoder.send(Some(&frame)).map_err(failed)?;
    encoder.send(None).map_err(failed)?;
    let mut packet = Packet::new().map_err(faults::internal)?;
    let mut bytes = Vec::new();
    while encoder.receive(&mut packet).map_err(failed)? == Polled::Ready {
        bytes.extend_from_slice(packet.data());
    }
    if bytes.is_empty() {
        let message = format!("the encoder of {} made nothing of a picture; please report this source", set.id);
        return Err(Problem::bug("encoder.failed", message).into());
    }
    Ok(bytes)
}

fn tags(range: &str, matrix: &str) -> ColorTags {
    let own = |text: &str| Some(text.to_owned());
    // sRGB: BT.709 primaries under a curve of its own (IEC 61966-2-1).
    ColorTags { range: own(range), primaries: own("bt709"), transfer: own("iec61966-2-1"), matrix: own(matrix) }
}

/// FFmpeg's quantiser for a quality from 1 to 100: the tables are scaled as the Independent JPEG Group's software does.
fn jpeg_quantiser(quality: u8) -> u32 {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    ((8 * percent + 50) / 100).clamp(JPEG_QUANTISERS.0, JPEG_QUANTISERS.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_quality_is_a_finer_quantiser() {
        assert_eq!([1, 25, 50, 75, 85, 100].map(jpeg_quantiser), [31, 16, 8, 4, 2, 1]);
    }
}
