//! The pictures that are encoded, and whether those that come back are they.

use super::Failure;
use crate::av::{AvError, Frame, names};
use crate::model::device::DeviceFault;

/// Width, pixels. Above the smallest picture of every encoder in hardware.
pub(super) const WIDTH: usize = 320;
/// Height, pixels.
pub(super) const HEIGHT: usize = 256;
/// Pictures of a trial: more than encoders keep back.
pub(super) const FRAMES: usize = 30;
/// Pictures a second.
pub(super) const RATE: u32 = 25;
/// Period of the pattern, pixels.
const PERIOD: usize = 128;

/// Picture number `at` of the moving pattern, at the full size divided by `shrink`. Two in a row differ by a mean square
/// of about 170, so that one in the place of another is noticed.
pub(super) fn draw(at: usize, shrink: usize) -> Result<Frame, AvError> {
    painted(at, ((WIDTH / shrink) as u32, (HEIGHT / shrink) as u32), |plane, x, y, at| {
        // A sample of chroma stands for twice as many pixels each way.
        let step = if plane == 0 { shrink } else { 2 * shrink };
        value(plane, x * step + step / 2, y * step + step / 2, at)
    })
}

/// Picture number `at` of this width and height, 4:2:0, each sample by its plane, column, row and the picture's number.
pub(super) fn painted(
    at: usize,
    (width, height): (u32, u32),
    sample_of: impl Fn(usize, usize, usize, usize) -> u8,
) -> Result<Frame, AvError> {
    let format = names::pixel_format("yuv420p").unwrap_or(0);
    let mut frame = Frame::picture(width, height, format)?;
    for plane in 0..3 {
        let (rows, _) = frame.plane_size(plane).unwrap_or((0, 0));
        for y in 0..rows {
            let Some(row) = frame.row_mut(plane, y) else { continue };
            for (x, sample) in row.iter_mut().enumerate() {
                *sample = sample_of(plane, x, y, at);
            }
        }
    }
    frame.set_pts(Some(at as i64));
    Ok(frame)
}

fn value(plane: usize, x: usize, y: usize, at: usize) -> u8 {
    let (x, y) = (wave(x + 11 * at), wave(y + 7 * at));
    let value = match plane {
        0 => 64 + x + y,
        1 => 96 + x,
        _ => 160 - y,
    };
    value as u8
}

/// Up and down between 0 and half the period.
const fn wave(at: usize) -> usize {
    let at = at % PERIOD;
    if at < PERIOD / 2 { at } else { PERIOD - at }
}

/// Largest mean square error of a picture that counts as the one that was meant: 32 dB, and 30 dB for AV1, whose encoders
/// are fast at this size and not fine.
pub(super) fn error_max(codec: &str) -> u64 {
    if codec == "av1" { 65 } else { 41 }
}

/// Compares a picture that came back, 8-bit 4:2:0, with the one that was meant.
pub(super) fn compare(found: &Frame, at: usize, shrink: usize, error_max: u64) -> Result<(), Failure> {
    let meant = draw(at, shrink)?;
    let wrong = |message: String| Err(Failure::of_result(DeviceFault::Corrupt, message));
    let (size, expected) = (found.picture_format(), meant.picture_format());
    if (size.width, size.height) != (expected.width, expected.height) {
        return wrong(format!("picture {at} came back as {}x{}", size.width, size.height));
    }
    let (mut squares, mut samples) = (0, 0);
    for plane in 0..3 {
        let (rows, _) = meant.plane_size(plane).unwrap_or((0, 0));
        for y in 0..rows {
            let (Some(a), Some(b)) = (meant.row(plane, y), found.row(plane, y)) else {
                return wrong(format!("picture {at} came back in another format"));
            };
            squares += a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>();
            samples += a.len() as u64;
        }
    }
    let error = squares / samples.max(1);
    if error <= error_max {
        return Ok(());
    }
    let decibels = 10.0 * (255.0_f64 * 255.0 / error as f64).log10();
    wrong(format!("picture {at} is not the one that was given ({decibels:.1} dB)"))
}

/// Whether as many pictures came back as were given.
pub(super) fn count(found: usize) -> Result<(), Failure> {
    if found == FRAMES {
        return Ok(());
    }
    let message = format!("{FRAMES} pictures went in and {found} came out");
    Err(Failure::of_result(DeviceFault::Truncated, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_itself_and_no_other() {
        for at in [0, 1, FRAMES - 1] {
            compare(&draw(at, 1).unwrap(), at, 1, 0).unwrap();
            let failure = compare(&draw(at + 1, 1).unwrap(), at, 1, error_max("av1")).unwrap_err();
            assert_eq!(failure.fault, Some(DeviceFault::Corrupt));
            assert!(failure.message.contains(" dB)"), "{}", failure.message);
        }
        let failure = compare(&draw(0, 2).unwrap(), 0, 1, 1000).unwrap_err();
        assert_eq!(failure.message, "picture 0 came back as 160x128");
        assert_eq!(count(FRAMES - 1).unwrap_err().fault, Some(DeviceFault::Truncated));
    }
}
