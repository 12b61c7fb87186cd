//! The audio pass.

use crate::made::{Bytes, RATE, Recorder, planned, sound};
use reelmill::pipeline::{Control, audio};

const SECOND: i64 = RATE as i64;

#[test]
fn sound_is_cut_on_the_grid_and_keeps_its_length() {
    let source = sound(&[(0, 5 * SECOND)]);
    let plan = planned(&source, 2000, 1);
    let recorder = Recorder::default();
    audio::run(Bytes::whole(&source), &plan, &recorder, &Control::default()).unwrap();
    let shape = recorder.shape(&plan.audio[0].id);
    assert_eq!(shape.iter().map(|s| s.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(shape[0].1, 0);
    for pair in shape.windows(2) {
        assert_eq!(pair[0].1 + pair[0].2, pair[1].1, "no gap between segments");
    }
    for segment in &shape {
        let late = segment.1 - i64::from(segment.0) * 2 * SECOND;
        assert!((0..1024).contains(&late), "a segment starts with the first packet behind its boundary");
    }
    let end = shape.last().map(|s| s.1 + s.2).unwrap();
    assert!((end - 5 * SECOND).abs() <= 2048, "{end} samples of {}", 5 * SECOND);
}

#[test]
fn a_gap_in_the_sound_becomes_silence() {
    let source = sound(&[(0, SECOND), (3 * SECOND, SECOND / 2)]);
    let plan = planned(&source, 1000, 1);
    let recorder = Recorder::default();
    audio::run(Bytes::whole(&source), &plan, &recorder, &Control::default()).unwrap();
    let shape = recorder.shape(&plan.audio[0].id);
    assert_eq!(shape.iter().map(|s| s.0).collect::<Vec<_>>(), [0, 1, 2, 3], "the silence has segments of its own");
    let packets: u32 = shape.iter().map(|s| s.3).sum();
    let expected = 7 * SECOND / 2 / 1024;
    assert!((i64::from(packets) - expected).abs() <= 4, "{packets} packets for three and a half seconds");
}

#[test]
fn the_same_source_makes_the_same_bytes_twice() {
    let source = sound(&[(0, 3 * SECOND)]);
    let plan = planned(&source, 1000, 1);
    let (first, second) = (Recorder::default(), Recorder::default());
    audio::run(Bytes::whole(&source), &plan, &first, &Control::default()).unwrap();
    audio::run(Bytes::whole(&source), &plan, &second, &Control::default()).unwrap();
    assert_eq!(first.track(&plan.audio[0].id), second.track(&plan.audio[0].id));
}
