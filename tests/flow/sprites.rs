//! What tells players of sprite sheets, read back as players read it: each sheet that is named is there, tiles lie in it, and
//! times have no gaps.

use crate::tools::{clip_of, ffprobe, transcode};
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// 7.4 s in sheets of three by two tiles at every 0.9 s: nine tiles in two sheets.
const SHEETS: &str = "--sprites=interval=0.9s,columns=3,rows=2,width=80,exact";
const OUTPUT_MS: u64 = 7_400;
const TILES: usize = 9;

fn made(more: &[&str]) -> (TempDir, PathBuf) {
    let (scratch, clip) = clip_of("testsrc2=size=160x90:rate=25:duration=7.4", "sine=frequency=440:duration=7.4");
    let out = scratch.path().join("out");
    let options = ["--renditions", "160x90", "--speed", "fast", SHEETS];
    transcode(&clip, &out, &[&options[..], more].concat());
    (scratch, out)
}

/// Width and height of an image, as a decoder finds them.
fn size(file: &Path) -> (u32, u32) {
    let line = ffprobe(file, "stream=width,height").remove(0);
    let (width, height) = line.split_once(',').unwrap();
    (width.parse().unwrap(), height.parse().unwrap())
}

/// An element: its name, its attributes, and what is in it.
#[derive(Default, Debug)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Element>,
}

impl Element {
    fn of(tag: &BytesStart<'_>) -> Self {
        let pair = |attribute: quick_xml::events::attributes::Attribute<'_>| {
            (attribute.key.as_ref().to_owned(), attribute.value.clone().into_owned())
        };
        let attributes = tag.attributes().map(|attribute| pair(attribute.unwrap())).collect();
        Self { name: tag.local_name().as_ref().to_owned(), attributes, children: Vec::new() }
    }

    /// A whole document.
    fn read(text: &str) -> Self {
        let mut reader = quick_xml::Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) => open.push(Self::of(&tag)),
                Event::Empty(tag) => open.last_mut().unwrap().children.push(Self::of(&tag)),
                Event::End(_) => {
                    let whole = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(whole);
                }
                Event::Eof => return open.remove(0).children.remove(0),
                _ => {}
            }
        }
    }

    fn all(&self, name: &str) -> Vec<&Self> {
        self.children.iter().filter(|child| child.name == name).collect()
    }

    /// The only child of a name.
    fn only(&self, name: &str) -> &Self {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {self:?}");
        all[0]
    }

    fn text(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).unwrap_or_else(|| panic!("no {attribute} in {self:?}"))
    }

    fn number(&self, attribute: &str) -> u32 {
        self.text(attribute).parse().unwrap()
    }
}

/// The reading of DASH-IF IOP 4.3 §6.2.6, and of `$Number%0Wd$` in ISO/IEC 23009-1 §5.3.9.4.4.
#[test]
fn the_adaptation_set_of_sheets_is_what_players_look_for() {
    let (_scratch, out) = made(&["--packaging", "cmaf"]);
    let manifest = out.join("cmaf/manifest.mpd");
    let mpd = Element::read(&fs::read_to_string(&manifest).unwrap());
    let period = mpd.only("Period");
    let sets = period.all("AdaptationSet");
    let images: Vec<_> =
        sets.iter().filter(|set| set.attributes.get("contentType").is_some_and(|v| v == "image")).collect();
    assert_eq!((sets.len(), images.len()), (3, 1));
    let mut ids: Vec<&str> = sets.iter().map(|set| set.text("id")).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each has an id of its own");
    let set = images[0];
    assert_eq!(set.text("mimeType"), "image/jpeg");
    let representation = set.only("Representation");
    let property = representation.only("EssentialProperty");
    assert_eq!(property.text("schemeIdUri"), "http://dashif.org/guidelines/thumbnail_tile");
    let (columns, rows) = property.text("value").split_once('x').unwrap();
    let (columns, rows): (u32, u32) = (columns.parse().unwrap(), rows.parse().unwrap());
    assert_eq!((columns, rows), (3, 2));
    let (width, height) = (representation.number("width"), representation.number("height"));
    assert!(width % columns == 0 && height % rows == 0, "tiles are whole pixels");
    let template = set.only("SegmentTemplate");
    let (duration, timescale) = (template.number("duration"), template.number("timescale"));
    assert_eq!(u64::from(duration) * 1000 / u64::from(timescale), 900 * 6, "a sheet stands for its tiles' time");
    // A player asks for as many as the period has room for.
    let period_ms = OUTPUT_MS;
    let count = (period_ms * u64::from(timescale)).div_ceil(u64::from(duration) * 1000) as u32;
    assert_eq!(count, 2);
    let (before, after) = template.text("media").split_once("$Number%05d$").unwrap();
    let mut peak = 0;
    for number in template.number("startNumber")..template.number("startNumber") + count {
        let file = manifest.with_file_name(format!("{before}{number:05}{after}"));
        assert_eq!(size(&file), (width, height), "{}", file.display());
        assert!(fs::read(&file).unwrap().starts_with(b"\xff\xd8"));
        let ms = (u64::from(number) * 5_400).min(OUTPUT_MS) - u64::from(number - 1) * 5_400;
        peak = peak.max((fs::metadata(&file).unwrap().len() * 8_000).div_ceil(ms));
    }
    assert_eq!(u64::from(representation.number("bandwidth")), peak, "the rate of the larger sheet");
    let left = manifest.with_file_name(format!("{before}{:05}{after}", count + 1));
    assert!(!left.exists(), "no sheet is left unnamed");
}

/// `HH:MM:SS.mmm`, WebVTT §4.
fn ms(time: &str) -> u64 {
    let (clock, fraction) = time.split_once('.').unwrap();
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    assert_eq!((parts.len(), fraction.len()), (3, 3), "{time}");
    ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + fraction.parse::<u64>().unwrap()
}

#[test]
fn cues_follow_one_another_to_the_end_and_name_tiles_that_are_there() {
    let (_scratch, out) = made(&["--packaging", "cmaf"]);
    let index = out.join("sprites/thumbnails.vtt");
    let text = fs::read_to_string(&index).unwrap();
    let mut blocks = text.trim_end().split("\n\n");
    assert_eq!(blocks.next(), Some("WEBVTT"));
    let (mut until, mut seen) = (0, Vec::new());
    for block in blocks {
        let lines: Vec<&str> = block.lines().collect();
        assert_eq!(lines.len(), 2, "{block}");
        let (from, to) = lines[0].split_once(" --> ").unwrap();
        assert_eq!(ms(from), until, "no gap before {block}");
        until = ms(to);
        assert!(until > ms(from), "{block}");
        let (name, place) = lines[1].split_once("#xywh=").unwrap();
        let place: Vec<u32> = place.split(',').map(|number| number.parse().unwrap()).collect();
        let (width, height) = size(&index.with_file_name(name));
        assert!(place[2] > 0 && place[0] + place[2] <= width, "{block} in {width}x{height}");
        assert!(place[3] > 0 && place[1] + place[3] <= height, "{block} in {width}x{height}");
        seen.push((name.to_owned(), place));
    }
    assert_eq!((until, seen.len()), (OUTPUT_MS, TILES), "the last one ends with the output");
    seen.dedup();
    assert_eq!(seen.len(), TILES, "each is a tile of its own");
}

/// The lines of a playlist with this tag, as their attributes.
fn tags(text: &str, tag: &str) -> Vec<BTreeMap<String, String>> {
    let attributes = |line: &str| {
        let pairs = line.split(',').map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
    };
    text.lines().filter_map(|line| line.strip_prefix(tag)?.strip_prefix(':')).map(attributes).collect()
}

fn pair(text: &str) -> (u32, u32) {
    let (one, other) = text.split_once('x').unwrap();
    (one.parse().unwrap(), other.parse().unwrap())
}

#[test]
fn the_image_playlist_is_named_and_names_the_sheets() {
    let (_scratch, out) = made(&[]);
    let mut playlist = PathBuf::new();
    for packaging in ["cmaf", "ts"] {
        let master = out.join(packaging).join("master.m3u8");
        let named = tags(&fs::read_to_string(&master).unwrap(), "#EXT-X-IMAGE-STREAM-INF");
        assert_eq!(named.len(), 1, "{packaging}");
        assert_eq!((pair(&named[0]["RESOLUTION"]), named[0]["CODECS"].as_str()), ((80, 46), "jpeg"));
        assert!(named[0]["BANDWIDTH"].parse::<u64>().unwrap() >= named[0]["AVERAGE-BANDWIDTH"].parse().unwrap());
        playlist = master.with_file_name(&named[0]["URI"]).canonicalize().unwrap();
    }
    let text = fs::read_to_string(&playlist).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines.last().copied()), ("#EXTM3U", Some("#EXT-X-ENDLIST")));
    assert!(lines.contains(&"#EXT-X-IMAGES-ONLY"));
    let target: f64 =
        lines.iter().find_map(|line| line.strip_prefix("#EXT-X-TARGETDURATION:")).unwrap().parse().unwrap();
    let durations: Vec<f64> =
        (lines.iter()).filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(',')?.parse().ok()).collect();
    assert!(durations.iter().all(|duration| duration.round() <= target), "{durations:?} of {target}");
    assert!((durations.iter().sum::<f64>() * 1000.0 - OUTPUT_MS as f64).abs() < 1.0, "{durations:?}");
    let files: Vec<&str> = lines.iter().copied().filter(|line| !line.starts_with('#')).collect();
    let tiles = tags(&text, "#EXT-X-TILES");
    assert_eq!((files.len(), tiles.len(), durations.len()), (2, 2, 2));
    for (file, tile) in files.iter().zip(&tiles) {
        let ((width, height), (columns, rows)) = (pair(&tile["RESOLUTION"]), pair(&tile["LAYOUT"]));
        assert_eq!(size(&playlist.with_file_name(file)), (width * columns, height * rows));
        assert_eq!(tile["DURATION"], "0.9");
    }
}

#[test]
fn the_report_tells_of_each_sheet_what_it_is() {
    let (_scratch, out) = made(&["--packaging", "ts"]);
    let report: Value = serde_json::from_slice(&fs::read(out.join("reelmill.json")).unwrap()).unwrap();
    let sheets = report["pictures"].as_array().unwrap();
    assert_eq!(sheets.iter().map(|sheet| sheet["tiles"].as_u64().unwrap()).sum::<u64>(), TILES as u64);
    for sheet in sheets {
        let file = out.join(sheet["path"].as_str().unwrap());
        assert_eq!(fs::metadata(&file).unwrap().len(), sheet["bytes"].as_u64().unwrap());
        assert_eq!(size(&file), (sheet["width"].as_u64().unwrap() as u32, sheet["height"].as_u64().unwrap() as u32));
    }
}
