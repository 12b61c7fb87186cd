//! How many threads each encoder and the decoder get. Never the library's `auto`: every encoder would take them all.

use super::Node;

/// Most threads for one encoder: beyond it frame threads cost quality, and memory for each frame in flight.
const ENCODER_THREADS_MAX: u64 = 16;
/// Lines of picture that a thread should have: frame threads wait for one another by rows.
const LINES_PER_THREAD: u32 = 64;
/// Most threads for the decoder of pictures up to 4K: with a ladder behind it, it is a seventh of the work.
const DECODER_THREADS_MAX: u32 = 4;

/// One encoder's part in the work.
#[derive(Clone, Copy)]
pub(super) struct Load {
    /// Cost of a frame: pixels times the codec's weight.
    pub weight: u64,
    /// Lines of a picture.
    pub height: u32,
}

/// Threads for each load: its share of those that a span has, rounded up, at least one. In sum between one and about
/// one and a half times the span's threads, unless there are more encoders than that.
pub(super) fn encoders(node: Node, spans: u32, loads: &[Load]) -> Vec<u32> {
    let available = u64::from(for_span(node, spans));
    let whole = loads.iter().map(|load| load.weight).sum::<u64>().max(1);
    let share = |load: &Load| {
        let most = u64::from(load.height / LINES_PER_THREAD).clamp(1, ENCODER_THREADS_MAX);
        (available * load.weight).div_ceil(whole).clamp(1, most) as u32
    };
    loads.iter().map(share).collect()
}

/// Threads for the decoder: one for small pictures, which decode many times faster than their ladder encodes; each
/// more holds one more picture in memory.
pub(super) fn decoder(node: Node, spans: u32, width: u32, height: u32) -> u32 {
    let wanted = match u64::from(width) * u64::from(height) {
        0..=400_000 => 1,
        400_001..=1_000_000 => 2,
        1_000_001..=9_000_000 => DECODER_THREADS_MAX,
        _ => 2 * DECODER_THREADS_MAX,
    };
    wanted.min(for_span(node, spans))
}

/// Spans run side by side, so each has its part of the node.
fn for_span(node: Node, spans: u32) -> u32 {
    (node.threads / spans.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder() -> Vec<Load> {
        [(1920, 1080), (1280, 720), (854, 480), (640, 360)]
            .map(|(width, height)| Load { weight: width * u64::from(height), height })
            .to_vec()
    }

    #[test]
    fn threads_follow_pixels_and_their_sum_stays_near_the_node() {
        assert_eq!(encoders(Node { threads: 2 }, 1, &ladder()), [2, 1, 1, 1]);
        assert_eq!(encoders(Node { threads: 16 }, 1, &ladder()), [10, 5, 2, 2]);
        assert_eq!(encoders(Node { threads: 16 }, 4, &ladder()), [3, 2, 1, 1]);
        for threads in 8..=24 {
            let sum: u32 = encoders(Node { threads }, 1, &ladder()).iter().sum();
            assert!(sum >= threads && sum * 2 <= threads * 3, "{threads}: {sum}");
        }
    }

    #[test]
    fn nobody_gets_none() {
        assert_eq!(encoders(Node { threads: 0 }, 0, &ladder()), [1, 1, 1, 1]);
        assert_eq!(decoder(Node { threads: 0 }, 9, 7680, 4320), 1);
        assert_eq!(decoder(Node { threads: 64 }, 1, 1920, 1080), 4);
    }
}
