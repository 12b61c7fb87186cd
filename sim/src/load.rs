//! The work of a day: a catalogue of shapes that spans have, owners of very unequal demand, and a seeded stream of jobs
//! with a daily curve and bursts.

use crate::cost::{self, Way};
use crate::rng::{Rng, cumulative, mix};
use reelmill_scheduler::{Group, Priority};
use std::sync::Arc;

/// What a rendition is encoded with, or a source was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// H.264.
    H264,
    /// HEVC.
    Hevc,
    /// AV1.
    Av1,
}

impl Codec {
    /// Its name in abilities.
    pub fn name(self) -> &'static str {
        ["h264", "hevc", "av1"][self as usize]
    }
}

/// A shape of spans: what is encoded from what, and the ways in which it can be.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How often jobs have it, against the others.
    pub weight: f64,
    /// The ladder's codec.
    pub codec: Codec,
    /// The source's codec.
    pub source: Codec,
    /// Ten bits a sample.
    pub ten_bit: bool,
    /// Pixels of each rung's picture, millions, largest first.
    pub rungs: Vec<f64>,
    /// Frames a second.
    pub fps: f64,
    /// Media in a span, s.
    pub span_s: f64,
    /// How it can run, best first.
    pub ways: Vec<Arc<Way>>,
    /// The same as the scheduler takes it.
    pub group: Group,
}

/// Pictures of the ladder's rungs, millions of pixels: 2160p, 1440p, 1080p, 720p, 540p, 432p, 360p, 234p.
const RUNGS: [f64; 8] = [8.294, 3.686, 2.074, 0.922, 0.518, 0.332, 0.230, 0.097];

/// First rung, rungs, frames a second, and how common that is. A fleet of this kind gets heavy masters.
const LADDERS: [(usize, usize, f64, f64); 5] =
    [(0, 8, 60.0, 0.30), (0, 6, 30.0, 0.25), (2, 5, 60.0, 0.20), (2, 6, 30.0, 0.15), (2, 3, 30.0, 0.10)];
/// Codec of the ladder, whether it has ten bits, codec of the source, and how common that is.
const CODECS: [(Codec, bool, Codec, f64); 7] = [
    (Codec::H264, false, Codec::H264, 0.40),
    (Codec::H264, false, Codec::Hevc, 0.16),
    (Codec::H264, true, Codec::Hevc, 0.01),
    (Codec::Hevc, false, Codec::Hevc, 0.18),
    (Codec::Hevc, true, Codec::Hevc, 0.10),
    (Codec::Av1, false, Codec::H264, 0.10),
    (Codec::Av1, true, Codec::Av1, 0.05),
];

/// Every shape that a job may have: the few dozen that the profiles of a platform come to.
pub fn catalogue() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (first, count, fps, size_weight) in LADDERS {
        for (codec, ten_bit, source, codec_weight) in CODECS {
            let rungs = RUNGS[first..(first + count).min(RUNGS.len())].to_vec();
            let span_s = if fps > 30.0 { 100.0 } else { 120.0 };
            shapes.push(shape(size_weight * codec_weight, codec, source, ten_bit, rungs, fps, span_s));
        }
    }
    shapes
}

fn shape(weight: f64, codec: Codec, source: Codec, ten_bit: bool, rungs: Vec<f64>, fps: f64, span_s: f64) -> Shape {
    let empty = Group::default();
    let mut shape = Shape { weight, codec, source, ten_bit, rungs, fps, span_s, ways: vec![], group: empty };
    shape.ways = cost::ways(&shape).into_iter().map(Arc::new).collect();
    shape.group = Group { choices: shape.ways.iter().map(|way| way.choice()).collect() };
    shape
}

/// A job as it arrives.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When, ms.
    pub at_ms: u64,
    /// Its class.
    pub priority: Priority,
    /// An index of the owners.
    pub owner: usize,
    /// An index of the catalogue.
    pub shape: usize,
    /// Spans of pictures.
    pub spans: u32,
    /// Whether there is a span of sound beside them.
    pub sound: bool,
    /// When it should be done, ms.
    pub deadline_ms: Option<u64>,
    /// It asks for more than any device has, and must be refused at once.
    pub impossible: bool,
}

/// Owners, the first with the largest demand.
pub const OWNERS: usize = 200;
/// Weight of an owner is its rank to the power of minus this.
const ZIPF: f64 = 1.0;
/// The least spans of a job, and how heavy the tail of long jobs is.
const SPANS_LEAST: f64 = 8.0;
const SPANS_SHAPE: f64 = 1.4;
/// Most spans of a job: 33 hours of media.
const SPANS_MOST: f64 = 1000.0;

/// The stream of jobs.
#[derive(Debug)]
pub struct Load {
    rng: Rng,
    seed: u64,
    owners: Vec<f64>,
    shapes: Vec<f64>,
    /// Jobs an hour, mean over the day.
    rate: f64,
    /// How far the daily curve goes up and down.
    swing: f64,
    end_ms: u64,
    at_ms: f64,
}

impl Load {
    /// Jobs at a mean rate an hour until `end_ms`.
    pub fn new(seed: u64, catalogue: &[Shape], rate: f64, swing: f64, end_ms: u64) -> Self {
        let owners = cumulative((1..=OWNERS).map(|rank| (rank as f64).powf(-ZIPF)));
        let shapes = cumulative(catalogue.iter().map(|shape| shape.weight));
        Self { rng: Rng::new(seed, 1), seed, owners, shapes, rate, swing, end_ms, at_ms: 0.0 }
    }

    /// The next job, until the end.
    pub fn next_job(&mut self, catalogue: &[Shape]) -> Option<Arrival> {
        let rate = self.rate * self.curve(self.at_ms);
        self.at_ms += self.rng.exponential(3_600_000.0 / rate);
        let at_ms = self.at_ms as u64;
        if at_ms >= self.end_ms {
            return None;
        }
        let owner = self.rng.pick(&self.owners);
        // What an owner mostly sends follows from who it is.
        let bias = mix(owner as u64 ^ self.seed.rotate_left(17)) as f64 / u64::MAX as f64;
        let priority = match self.rng.unit() {
            class if class < 0.04 + 0.12 * bias => Priority::High,
            class if class < 0.60 + 0.12 * bias => Priority::Normal,
            _ => Priority::Batch,
        };
        let shape = self.rng.pick(&self.shapes);
        let long = self.rng.pareto(SPANS_LEAST, SPANS_SHAPE).min(SPANS_MOST);
        let spans = if priority == Priority::High { (long / 2.0) as u32 } else { long as u32 }.max(1);
        let slack = self.rng.range(4.0, 40.0);
        let in_a_hurry = self.rng.chance(if priority == Priority::Batch { 0.05 } else { 0.25 });
        // What the job takes when a few of its spans run side by side, and some hurry more than others.
        let span_ms = catalogue[shape].group.choices.first().map_or(0, |choice| choice.run_ms);
        let needs_ms = span_ms as f64 * f64::from(spans.div_ceil(16)) + 60_000.0;
        let deadline_ms = in_a_hurry.then(|| at_ms + (needs_ms * slack) as u64);
        let sound = self.rng.chance(0.7);
        let impossible = self.rng.chance(0.0003);
        Some(Arrival { at_ms, priority, owner, shape, spans, sound, deadline_ms, impossible })
    }

    /// The rate at a time against the mean: a wave over the day, and bursts of a quarter of an hour.
    fn curve(&self, at_ms: f64) -> f64 {
        let hours = at_ms / 3_600_000.0;
        let wave = 1.0 + self.swing * (std::f64::consts::TAU * hours / 24.0).sin();
        let quarter = mix(self.seed ^ (hours * 4.0) as u64) % 100;
        let burst = if quarter < BURST_PERCENT { BURST_FACTOR } else { 1.0 };
        wave * burst / (1.0 + BURST_PERCENT as f64 / 100.0 * (BURST_FACTOR - 1.0))
    }
}

/// Of a hundred quarters of an hour, how many bring a burst, and how much more comes then.
const BURST_PERCENT: u64 = 6;
const BURST_FACTOR: f64 = 3.0;

/// The name of an owner.
pub fn owner_name(owner: usize) -> Arc<str> {
    Arc::from(format!("owner-{owner:03}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_has_its_rate_its_classes_and_its_unequal_owners() {
        let shapes = catalogue();
        let mut load = Load::new(3, &shapes, 2000.0, 0.2, 24 * 3_600_000);
        let jobs: Vec<Arrival> = std::iter::from_fn(|| load.next_job(&shapes)).collect();
        assert!((40_000..56_000).contains(&jobs.len()), "{}", jobs.len());
        let count = |keep: &dyn Fn(&Arrival) -> bool| jobs.iter().filter(|job| keep(job)).count() as f64;
        let all = jobs.len() as f64;
        assert!((0.05..0.2).contains(&(count(&|job| job.priority == Priority::High) / all)));
        assert!((0.25..0.45).contains(&(count(&|job| job.priority == Priority::Batch) / all)));
        assert!(count(&|job| job.owner == 0) > 20.0 * count(&|job| job.owner == OWNERS / 2));
        assert!(jobs.iter().any(|job| job.spans > 400) && jobs.iter().any(|job| job.spans < 8));
    }

    #[test]
    fn shapes_have_three_to_eight_rungs_and_a_way_without_a_device() {
        for shape in catalogue() {
            assert!((3..=8).contains(&shape.rungs.len()));
            assert!(shape.group.choices.iter().any(|choice| choice.kind.is_none()));
            assert!(shape.group.choices.iter().all(|choice| choice.run_ms > 0));
        }
    }
}
