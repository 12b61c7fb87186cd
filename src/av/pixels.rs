//! Pixels and samples of frames in the host's memory, for pictures that are made and compared rather than decoded.

use super::Frame;
use super::error::{AvError, check};
use super::frame::SampleFormat;
use super::names::pixel_format;

/// Planes of the one format in which pictures are made and compared.
const PLANES: usize = 3;

impl Frame {
    /// Rows that a plane of an 8-bit 4:2:0 picture has, and samples that a row has; `None` for other pictures.
    pub fn plane_size(&self, plane: usize) -> Option<(usize, usize)> {
        let format = self.picture_format();
        if pixel_format("yuv420p") != Some(format.format) || plane >= PLANES {
            return None;
        }
        let (width, height) = (format.width as usize, format.height as usize);
        Some(if plane == 0 { (height, width) } else { (height.div_ceil(2), width.div_ceil(2)) })
    }

    /// A row of a plane of an 8-bit 4:2:0 picture.
    pub fn row(&self, plane: usize, row: usize) -> Option<&[u8]> {
        let (start, samples) = self.locate(plane, row)?;
        // SAFETY: `locate` gives a row inside of the plane, which lives as long as the frame that is borrowed.
        Some(unsafe { std::slice::from_raw_parts(start, samples) })
    }

    /// A row of a plane of an 8-bit 4:2:0 picture, to write to. Nobody else may refer to the picture's memory, as is so
    /// for one that was just made by [`Frame::picture`].
    pub fn row_mut(&mut self, plane: usize, row: usize) -> Option<&mut [u8]> {
        if !self.is_alone() {
            return None;
        }
        let (start, samples) = self.locate(plane, row)?;
        // SAFETY: as for `row`; nothing else refers to the memory, and the frame is borrowed exclusively.
        Some(unsafe { std::slice::from_raw_parts_mut(start, samples) })
    }

    fn locate(&self, plane: usize, row: usize) -> Option<(*mut u8, usize)> {
        let (rows, samples) = self.plane_size(plane)?;
        let raw = self.raw();
        let (data, stride) = (raw.data[plane], usize::try_from(raw.linesize[plane]).ok()?);
        if data.is_null() || row >= rows || stride < samples {
            return None;
        }
        // SAFETY: FFmpeg keeps `rows` rows of `stride` bytes at `data` for a frame of this format and size.
        Some((unsafe { data.add(row * stride) }, samples))
    }

    /// Makes this frame alone refer to its memory, which is copied where others refer to it too.
    pub fn make_writable(&mut self) -> Result<(), AvError> {
        // SAFETY: the frame is live and has buffers of its own or shared ones, in the host's memory.
        check("make a picture writable", unsafe { ffmpeg_sys_next::av_frame_make_writable(self.as_ptr()) })?;
        Ok(())
    }

    /// The samples of a row of a plane of a 4:2:0 picture of 8 or 10 bits, to write to, with how many bytes one has (two are
    /// little-endian). As for [`Frame::row_mut`].
    pub fn samples_mut(&mut self, plane: usize, row: usize) -> Option<(&mut [u8], usize)> {
        if !self.is_alone() || plane >= PLANES {
            return None;
        }
        let format = self.picture_format();
        let bytes = [("yuv420p", 1), ("yuv420p10le", 2)]
            .into_iter()
            .find(|(name, _)| pixel_format(name) == Some(format.format))?
            .1;
        let (width, height) = (format.width as usize, format.height as usize);
        let (rows, samples) = if plane == 0 { (height, width) } else { (height.div_ceil(2), width.div_ceil(2)) };
        let start = self.row_start(plane, row, rows, samples * bytes)?;
        // SAFETY: the row lies inside of the plane; nothing else refers to the memory, and the frame is borrowed exclusively.
        Some((unsafe { std::slice::from_raw_parts_mut(start, samples * bytes) }, bytes))
    }

    /// A row of a picture with four bytes a pixel, red, green, blue and alpha.
    pub fn packed_row(&self, row: usize) -> Option<&[u8]> {
        let format = self.picture_format();
        if pixel_format("rgba") != Some(format.format) {
            return None;
        }
        let bytes = format.width as usize * 4;
        let start = self.row_start(0, row, format.height as usize, bytes)?;
        // SAFETY: the row lies inside of the one plane, which lives as long as the frame that is borrowed.
        Some(unsafe { std::slice::from_raw_parts(start, bytes) })
    }

    /// Where a row of so many bytes begins in a plane of so many rows.
    fn row_start(&self, plane: usize, row: usize, rows: usize, bytes: usize) -> Option<*mut u8> {
        let raw = self.raw();
        let (data, stride) = (raw.data[plane], usize::try_from(raw.linesize[plane]).ok()?);
        if data.is_null() || row >= rows || stride < bytes {
            return None;
        }
        // SAFETY: FFmpeg keeps `rows` rows of `stride` bytes at `data` for a frame of this format and size.
        Some(unsafe { data.add(row * stride) })
    }

    /// The samples of a channel, in a planar float format.
    pub fn channel(&self, channel: usize) -> Option<&[f32]> {
        let (start, samples) = self.locate_channel(channel)?;
        // SAFETY: a channel of this format has as many floats, and FFmpeg aligns its buffers for them.
        Some(unsafe { std::slice::from_raw_parts(start, samples) })
    }

    /// The samples of a channel, in a planar float format, to write to; as for [`Frame::row_mut`].
    pub fn channel_mut(&mut self, channel: usize) -> Option<&mut [f32]> {
        if !self.is_alone() {
            return None;
        }
        let (start, samples) = self.locate_channel(channel)?;
        // SAFETY: as for `channel`; nothing else refers to the memory, and the frame is borrowed exclusively.
        Some(unsafe { std::slice::from_raw_parts_mut(start, samples) })
    }

    fn locate_channel(&self, channel: usize) -> Option<(*mut f32, usize)> {
        let SampleFormat { format, channels, .. } = self.sample_format();
        let raw = self.raw();
        let planar = super::names::sample_format_name(format) == "fltp" && channel < channels as usize;
        let data = raw.data.get(channel).copied().filter(|data| planar && !data.is_null())?;
        Some((data.cast(), usize::try_from(raw.nb_samples).ok()?))
    }

    /// Whether this frame alone refers to its memory.
    fn is_alone(&self) -> bool {
        // SAFETY: the frame is live.
        unsafe { ffmpeg_sys_next::av_frame_is_writable(self.as_ptr()) > 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_written_and_read_by_rows() {
        let mut frame = Frame::picture(33, 5, pixel_format("yuv420p").unwrap()).unwrap();
        assert_eq!(
            (frame.plane_size(0), frame.plane_size(2), frame.plane_size(3)),
            (Some((5, 33)), Some((3, 17)), None)
        );
        frame.row_mut(2, 2).unwrap().fill(7);
        assert_eq!((frame.row(2, 2).unwrap(), frame.row(2, 1).unwrap()), (&[7; 17][..], &[128; 17][..]));
        assert!(frame.row(0, 5).is_none() && frame.row(3, 0).is_none());
        let shared = frame.reference().unwrap();
        assert!(frame.row_mut(0, 0).is_none(), "somebody else sees it");
        assert_eq!(shared.row(2, 2).unwrap()[0], 7);
        let other = Frame::picture(16, 16, pixel_format("yuv420p10le").unwrap()).unwrap();
        assert!(other.row(0, 0).is_none() && other.channel(0).is_none());
    }

    #[test]
    fn sound_is_written_and_read_by_channels() {
        let mut frame = Frame::silence(48_000, 2, 100).unwrap();
        frame.channel_mut(1).unwrap()[99] = 0.5;
        assert_eq!((frame.channel(1).unwrap()[99], frame.channel(0).unwrap().len()), (0.5, 100));
        assert!(frame.channel(2).is_none());
    }
}
