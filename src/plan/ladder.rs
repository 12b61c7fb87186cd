//! The ladder: which sizes, before codecs and rates (FEATURES R1, R2, R9).

use super::notes::Notes;
use crate::model::request::{RenditionSpec, SizeSpec};
use std::cmp::Reverse;

/// Named qualities of a ladder that nobody specified, largest first. 144p is left out: nobody watches it by choice.
const DEFAULT_SHORT_SIDES: [u32; 7] = [2160, 1440, 1080, 720, 480, 360, 240];
/// A source over this many percent of the largest named quality that fits gets a rung of its own size: below that the
/// difference is not seen, and costs a whole rung.
const OWN_SIZE_PERCENT: u32 = 110;

/// The picture as it is shown: upright, square pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// Width, pixels, at least 1.
    pub width: u32,
    /// Height, pixels, at least 1.
    pub height: u32,
}

/// One size of the ladder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rung {
    /// Name, unique within the ladder: `1080p`, `640x360`.
    pub name: String,
    /// Width, even.
    pub width: u32,
    /// Height, even.
    pub height: u32,
    /// Rate that was asked for, bits a second.
    pub bitrate: Option<u64>,
    /// Asked for as something larger than the source.
    pub capped: bool,
    /// The source that it is made of.
    pub source: usize,
    /// Its place among the renditions asked for; `None` in a ladder that nobody specified.
    pub place: Option<usize>,
}

/// A rung as asked: of which source, how that is shown, and what.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// Its place in the request.
    pub place: usize,
    /// The source.
    pub source: usize,
    /// The source's shape.
    pub shape: Shape,
    /// What is asked.
    pub spec: RenditionSpec,
}

/// The rungs that a request names, largest first, never above their source unless `upscale`.
pub(super) fn asked(specs: &[Asked], upscale: bool, notes: &mut Notes) -> Vec<Rung> {
    let mut rungs = Vec::new();
    for Asked { place, source, shape, spec } in specs {
        let rung = Rung { source: *source, place: Some(*place), ..one(*shape, *spec, upscale) };
        if rung.capped {
            let message = format!(
                "{spec} is larger than the source; its rung has the source's size, {}x{}",
                rung.width, rung.height
            );
            notes.add("rendition.capped", message);
        }
        rungs.push(rung);
    }
    sorted(without_duplicates(rungs, notes))
}

/// The ladder of a request that names none, of source 0: the named qualities that the source reaches, and one of its own
/// size when that is over 10 % larger than the largest of them, or none fits.
pub(super) fn default(shape: Shape) -> Vec<Rung> {
    let short = shape.width.min(shape.height);
    let fitting = DEFAULT_SHORT_SIDES.into_iter().filter(|side| *side <= short);
    let mut rungs: Vec<Rung> = fitting.map(|side| of_short_side(shape, side, None, false)).collect();
    let largest = rungs.first().map_or(0, |rung| rung.width.min(rung.height));
    if u64::from(short) * 100 > u64::from(largest) * u64::from(OWN_SIZE_PERCENT) {
        rungs.insert(0, named(own_size(shape), None, false));
    }
    rungs
}

/// Gives rungs of one name the rate, and then a number, so that every name is unique.
fn sorted(mut rungs: Vec<Rung>) -> Vec<Rung> {
    let area = |rung: &Rung| u64::from(rung.width) * u64::from(rung.height);
    rungs.sort_by_key(|rung| Reverse((area(rung), rung.bitrate)));
    for i in 1..rungs.len() {
        let taken = |name: &str, rungs: &[Rung]| rungs[..i].iter().any(|rung| rung.name == name);
        let plain = rungs[i].name.clone();
        let rate = rungs[i].bitrate.map_or(String::new(), |rate| format!("-{}k", rate / 1000));
        let mut name = plain.clone();
        for attempt in 1..=i + 1 {
            if !taken(&name, &rungs) {
                break;
            }
            name = if attempt == 1 { format!("{plain}{rate}") } else { format!("{plain}{rate}-{attempt}") };
        }
        rungs[i].name = name;
    }
    rungs
}

/// Of rungs of one source and size, those stay that differ in the rate asked for; one that only has this size because the source
/// is no larger goes as soon as there is another.
fn without_duplicates(rungs: Vec<Rung>, notes: &mut Notes) -> Vec<Rung> {
    let same_size = |a: &Rung, b: &Rung| (a.source, a.width, a.height) == (b.source, b.width, b.height);
    let mut kept: Vec<Rung> = Vec::new();
    for (i, rung) in rungs.iter().enumerate() {
        let repeated =
            kept.iter().any(|other| same_size(rung, other) && (rung.capped || rung.bitrate == other.bitrate));
        let stands_in = rung.capped && rungs[i + 1..].iter().any(|other| same_size(rung, other) && !other.capped);
        if repeated || stands_in {
            notes.add(
                "rendition.duplicate",
                format!("two renditions would be {}x{}; only one is made", rung.width, rung.height),
            );
        } else {
            kept.push(rung.clone());
        }
    }
    kept
}

fn one(shape: Shape, spec: RenditionSpec, upscale: bool) -> Rung {
    match spec.size {
        SizeSpec::Short(side) => of_short_side(shape, side, spec.bitrate, upscale),
        SizeSpec::Box { width, height } => of_box(shape, (width, height), spec.bitrate, upscale),
    }
}

/// A named quality is the short side of the shown picture; the long side follows its shape.
fn of_short_side(shape: Shape, side: u32, bitrate: Option<u64>, upscale: bool) -> Rung {
    let short = shape.width.min(shape.height);
    if side >= short && (side == short || !upscale) {
        return Rung { capped: side > short, ..named(own_size(shape), bitrate, false) };
    }
    let side = even(side);
    let size = if shape.width <= shape.height {
        (side, scaled(shape.height, side, shape.width))
    } else {
        (scaled(shape.width, side, shape.height), side)
    };
    named(within_source(shape, size, upscale), bitrate, false)
}

/// A box that the picture is fitted into keeping its shape; a lying box is stood up for a standing picture.
fn of_box(shape: Shape, asked: (u32, u32), bitrate: Option<u64>, upscale: bool) -> Rung {
    let standing = shape.height > shape.width && asked.0 > asked.1;
    let (width, height) = if standing { (asked.1, asked.0) } else { asked };
    let covers = width >= shape.width && height >= shape.height;
    let size = if covers && !upscale {
        own_size(shape)
    } else if u64::from(width) * u64::from(shape.height) <= u64::from(height) * u64::from(shape.width) {
        (even(width), scaled(shape.height, width, shape.width).min(even(height)))
    } else {
        (scaled(shape.width, height, shape.height).min(even(width)), even(height))
    };
    let (width_made, height_made) = within_source(shape, size, upscale);
    Rung {
        name: format!("{width_made}x{height_made}"),
        width: width_made,
        height: height_made,
        bitrate,
        capped: covers && !upscale && (even(width) > width_made && even(height) > height_made),
        source: 0,
        place: None,
    }
}

fn named((width, height): (u32, u32), bitrate: Option<u64>, capped: bool) -> Rung {
    Rung { name: format!("{}p", width.min(height)), width, height, bitrate, capped, source: 0, place: None }
}

/// The source's own size, odd sides cut by one: never above the source, except that 2 is the least.
fn own_size(shape: Shape) -> (u32, u32) {
    (even(shape.width), even(shape.height))
}

fn within_source(shape: Shape, (width, height): (u32, u32), upscale: bool) -> (u32, u32) {
    if upscale { (width, height) } else { (width.min(even(shape.width)), height.min(even(shape.height))) }
}

/// `side * num / den` to the nearest even number, at least 2.
fn scaled(side: u32, num: u32, den: u32) -> u32 {
    let (value, den) = (u64::from(side) * u64::from(num), u64::from(den.max(1)));
    let halves = (value + den) / (2 * den);
    u32::try_from(halves.max(1) * 2).unwrap_or(u32::MAX - 1)
}

/// The even number at or below, at least 2.
fn even(side: u32) -> u32 {
    (side & !1).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(width: u32, height: u32) -> Shape {
        Shape { width, height }
    }

    fn names(rungs: &[Rung]) -> Vec<String> {
        rungs.iter().map(|r| format!("{} {}x{}", r.name, r.width, r.height)).collect()
    }

    fn ask(source: Shape, specs: &str) -> Vec<String> {
        names(&asked(&of(source, specs), false, &mut Notes::default()))
    }

    fn of(shape: Shape, specs: &str) -> Vec<Asked> {
        let asked = |(place, s): (usize, &str)| Asked { place, source: 0, shape, spec: s.parse().unwrap() };
        specs.split(',').enumerate().map(asked).collect()
    }

    #[test]
    fn a_named_quality_is_the_short_side_in_every_shape() {
        assert_eq!(ask(shape(1920, 1080), "720p,360p"), ["720p 1280x720", "360p 640x360"]);
        assert_eq!(ask(shape(1080, 1920), "720p"), ["720p 720x1280"]);
        assert_eq!(ask(shape(1920, 804), "720p"), ["720p 1720x720"]);
        assert_eq!(ask(shape(1000, 1000), "480p"), ["480p 480x480"]);
    }

    #[test]
    fn nothing_is_made_larger_than_the_source_and_nothing_twice() {
        assert_eq!(ask(shape(1280, 720), "4K,1080p,720p,480p"), ["720p 1280x720", "480p 854x480"]);
        assert_eq!(ask(shape(1280, 800), "1080p"), ["800p 1280x800"]);
        assert_eq!(ask(shape(1280, 720), "1080p@5M,720p@2M"), ["720p 1280x720"]);
        assert_eq!(ask(shape(321, 241), "1080p"), ["240p 320x240"]);
        assert_eq!(ask(shape(1, 1), "1080p"), ["2p 2x2"]);
    }

    #[test]
    fn a_box_is_fitted_into_and_stood_up_for_portrait() {
        assert_eq!(ask(shape(1920, 1080), "640x640"), ["640x360 640x360"]);
        assert_eq!(ask(shape(1080, 1920), "640x360"), ["360x640 360x640"]);
        assert_eq!(ask(shape(1920, 804), "1280x720"), ["1280x536 1280x536"]);
        assert_eq!(ask(shape(1920, 1080), "4096x4096"), ["1920x1080 1920x1080"]);
        assert_eq!(ask(shape(1920, 1080), "641x361"), ["640x360 640x360"]);
    }

    #[test]
    fn one_size_at_two_rates_is_two_rungs_with_two_names() {
        assert_eq!(ask(shape(1920, 1080), "720p@2M,720p@4M"), ["720p 1280x720", "720p-2000k 1280x720"]);
        assert_eq!(ask(shape(1920, 1080), "720p@2M,720p@2M,1280x720@2M"), ["720p 1280x720"]);
        assert_eq!(
            ask(shape(1920, 1080), "720p@2000100,720p@2000200,720p@2000300"),
            ["720p 1280x720", "720p-2000k 1280x720", "720p-2000k-2 1280x720"]
        );
    }

    #[test]
    fn a_ladder_nobody_specified_follows_the_source() {
        assert_eq!(
            names(&default(shape(1920, 1080))),
            ["1080p 1920x1080", "720p 1280x720", "480p 854x480", "360p 640x360", "240p 426x240"]
        );
        assert_eq!(names(&default(shape(1280, 800)))[..2], ["800p 1280x800", "720p 1152x720"]);
        assert_eq!(names(&default(shape(1280, 780)))[..1], ["720p 1182x720"]);
        assert_eq!(names(&default(shape(16, 4000))), ["16p 16x4000"]);
        assert_eq!(names(&default(shape(200, 150))), ["150p 200x150"]);
        assert_eq!(names(&default(shape(1, 1))), ["2p 2x2"]);
    }

    #[test]
    fn upscaling_happens_on_request() {
        let rungs = asked(&of(shape(640, 360), "1080p,1280x1280"), true, &mut Notes::default());
        assert_eq!(names(&rungs), ["1080p 1920x1080", "1280x720 1280x720"]);
    }

    #[test]
    fn rungs_of_two_sources_are_never_one_and_have_two_names() {
        let mut specs = of(shape(1280, 720), "720p,720p,360p");
        specs[1].source = 1;
        let rungs = asked(&specs, false, &mut Notes::default());
        assert_eq!(names(&rungs), ["720p 1280x720", "720p-2 1280x720", "360p 640x360"]);
        assert_eq!(
            rungs.iter().map(|r| (r.source, r.place)).collect::<Vec<_>>(),
            [(0, Some(0)), (1, Some(1)), (0, Some(2))]
        );
    }
}
