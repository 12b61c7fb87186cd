//! The scaling tree: which rung's pictures another one is made from.

use crate::model::facts::VideoFacts;

/// A rung is scaled from a larger one only when that is this many tenths of its size or more: two resamplings at
/// nearly the same size blur visibly, and the second saves little.
const PARENT_RATIO_TENTHS: u64 = 13;

/// Which of the rungs before `child` its pictures are made from, among those for which `suits` holds. One of the same
/// size is taken as it is. Otherwise the nearest larger one that is at least 1.3 times as large, but not one that is
/// itself enlarged beyond `shown`; otherwise the source. Tone mapping costs far more than it blurs, so it is done once:
/// without a rung 1.3 times as large, a tone-mapped one starts from the largest there is.
pub(super) fn parent(
    child: usize,
    size: impl Fn(usize) -> (u32, u32),
    suits: impl Fn(usize) -> bool,
    shown: (u32, u32),
    tone_mapped: bool,
) -> Option<usize> {
    let wide = |i: usize| (u64::from(size(i).0), u64::from(size(i).1));
    let (width, height) = wide(child);
    let suitable = || (0..child).filter(|i| suits(*i));
    if let Some(same) = suitable().find(|i| wide(*i) == (width, height)) {
        return Some(same);
    }
    let larger = |i: usize, tenths: u64| wide(i).0 * 10 >= width * tenths && wide(i).1 * 10 >= height * tenths;
    let candidates = || suitable().filter(|i| size(*i).0 <= shown.0 && size(*i).1 <= shown.1);
    let area = |i: &usize| wide(*i).0 * wide(*i).1;
    let nearest = candidates().filter(|i| larger(*i, PARENT_RATIO_TENTHS)).min_by_key(area);
    nearest.or_else(|| candidates().filter(|i| tone_mapped && larger(*i, 10)).max_by_key(area))
}

/// The largest rung that is not enlarged: the picture as shown, and at least 2 by 2.
pub(super) fn shown(video: &VideoFacts) -> (u32, u32) {
    (video.display_width.max(2), video.display_height.max(2))
}
