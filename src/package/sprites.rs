//! What tells players of sprite sheets: a WebVTT index, an HLS image playlist, and a DASH AdaptationSet (`dash::sets`).
//!
//! Tile `i` of all sheets stands for the time from `i · interval` on. Sheets lie in [`SPRITES`] beside the packagings, so
//! manifests of each name them by `../`.

use crate::model::request::ImageFormat;
use crate::model::stills::{Pick, PictureRecord, PictureSet, SPRITES, Sheet};
use std::fmt::Write;

/// The WebVTT index in it.
pub const VTT: &str = "thumbnails.vtt";
/// The HLS image playlist in it.
pub const PLAYLIST: &str = "images.m3u8";

/// The sheets of an output, all stored; at least one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sprites {
    /// How tiles lie in a sheet.
    pub sheet: Sheet,
    /// Width and height of a tile, pixels.
    pub tile: (u32, u32),
    /// Time from one tile to the next, µs.
    pub interval_us: i64,
    /// What sheets are stored as.
    pub format: ImageFormat,
    /// The sheets, in order.
    pub sheets: Vec<PictureRecord>,
}

impl Sprites {
    /// The sheets of a set; `None` where it has none, or is of stills.
    pub fn of<'a>(set: &PictureSet, made: impl Iterator<Item = &'a PictureRecord>) -> Option<Self> {
        let sheet = set.sheet?;
        let Pick::Every { interval, .. } = &set.pick else { return None };
        let sheets: Vec<_> = made.cloned().collect();
        let (tile, interval_us) = ((set.width, set.height), *interval);
        (!sheets.is_empty()).then_some(Self { sheet, tile, interval_us, format: set.format, sheets })
    }

    /// Width and height of a sheet, pixels.
    pub const fn size(&self) -> (u32, u32) {
        (self.tile.0 * self.sheet.columns, self.tile.1 * self.sheet.rows)
    }

    /// Duration of a full sheet, µs.
    pub fn sheet_us(&self) -> i64 {
        self.interval_us.saturating_mul(i64::from(self.sheet.tiles()))
    }

    /// The highest rate of any sheet, bits a second, at least 1.
    pub fn peak(&self) -> u64 {
        let rate = |sheet: &PictureRecord| self.rate(sheet.bytes, self.duration(sheet));
        self.sheets.iter().map(rate).max().unwrap_or(1)
    }

    /// The WebVTT index (WebVTT §4, with the space fragments of Media Fragments URI 1.0 §4.2.2): one cue a tile, that names
    /// its part of a sheet.
    pub fn vtt(&self) -> String {
        let mut text = "WEBVTT\n".to_owned();
        let mut tile = 0_i64;
        for sheet in &self.sheets {
            for place in 0..sheet.tiles {
                let start = tile * self.interval_us;
                let is_last = place + 1 == sheet.tiles;
                let end = if is_last { sheet.end_us.max(start + 1000) } else { start + self.interval_us };
                let (x, y) = (place % self.sheet.columns * self.tile.0, place / self.sheet.columns * self.tile.1);
                let (width, height) = self.tile;
                let (from, to) = (clock_ms(start), clock_ms(end));
                write!(text, "\n{from} --> {to}\n{}#xywh={x},{y},{width},{height}\n", sheet.name)
                    .expect("writing to a string does not fail");
                tile += 1;
            }
        }
        text
    }

    /// The HLS image media playlist, by the community's "HLS Image Media Playlist" specification: `EXT-X-IMAGES-ONLY`, and
    /// `EXT-X-TILES` for each sheet.
    pub fn playlist(&self) -> String {
        let longest = self.sheets.iter().map(|sheet| self.duration(sheet)).max().unwrap_or(0);
        let target = longest.saturating_add(999_999) / 1_000_000;
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:1\n\
             #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-IMAGES-ONLY\n"
        );
        for sheet in &self.sheets {
            let duration = seconds(self.duration(sheet));
            let (Sheet { columns, rows }, (width, height)) = (self.sheet, self.tile);
            let each = seconds(self.interval_us);
            write!(
                text,
                "#EXTINF:{duration},\n#EXT-X-TILES:RESOLUTION={width}x{height},LAYOUT={columns}x{rows},DURATION={each}\n{}\n",
                sheet.name
            )
            .expect("writing to a string does not fail");
        }
        text.push_str("#EXT-X-ENDLIST\n");
        text
    }

    /// The line that names the image playlist in a multivariant playlist of a packaging (same specification).
    pub(super) fn stream_inf(&self) -> String {
        let bytes = self.sheets.iter().map(|sheet| sheet.bytes).sum();
        let mean = self.rate(bytes, self.sheets.iter().map(|sheet| self.duration(sheet)).sum());
        let (width, height) = self.tile;
        format!(
            "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={mean},RESOLUTION={width}x{height},CODECS=\"{}\",\
             URI=\"../{SPRITES}/{PLAYLIST}\"",
            self.peak(),
            self.format.name()
        )
    }

    /// Time that a sheet stands for, µs.
    fn duration(&self, sheet: &PictureRecord) -> i64 {
        let first = i64::from(sheet.number.saturating_sub(1)).saturating_mul(self.sheet_us());
        sheet.end_us.saturating_sub(first).clamp(1000, self.sheet_us().max(1000))
    }

    fn rate(&self, bytes: u64, us: i64) -> u64 {
        let bits = u128::from(bytes) * 8 * 1_000_000;
        u64::try_from(bits.div_ceil(u128::from(us.max(1).unsigned_abs()))).unwrap_or(u64::MAX).max(1)
    }
}

/// A WebVTT timestamp, hours always written.
fn clock_ms(us: i64) -> String {
    let ms = us / 1000;
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

/// Seconds with as many digits as they need, at least one.
fn seconds(us: i64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two sheets of two by two tiles, of 13.5 s.
    pub(in crate::package) fn sheets() -> Sprites {
        let sheet = |number: u32, tiles, end_us, bytes| PictureRecord {
            number,
            name: format!("{number:05}.jpg"),
            asked_us: None,
            time_us: i64::from(number - 1) * 8_000_000,
            end_us,
            tiles,
            width: 320,
            height: 180,
            bytes,
            sha256: String::new(),
        };
        Sprites {
            sheet: Sheet { columns: 2, rows: 2 },
            tile: (160, 90),
            interval_us: 2_000_000,
            format: ImageFormat::Jpeg,
            sheets: vec![sheet(1, 4, 8_000_000, 40_000), sheet(2, 3, 13_500_000, 30_000)],
        }
    }

    #[test]
    fn a_cue_for_each_tile_and_the_last_one_ends_with_the_output() {
        let vtt = sheets().vtt();
        assert!(vtt.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n00001.jpg#xywh=0,0,160,90\n"), "{vtt}");
        assert!(vtt.contains("\n00:00:06.000 --> 00:00:08.000\n00001.jpg#xywh=160,90,160,90\n"), "{vtt}");
        assert!(vtt.ends_with("\n00:00:12.000 --> 00:00:13.500\n00002.jpg#xywh=0,90,160,90\n"), "{vtt}");
        assert_eq!(vtt.matches("-->").count(), 7);
    }

    #[test]
    fn the_image_playlist_says_how_tiles_lie_and_how_long_they_stand() {
        let text = sheets().playlist();
        assert_eq!(
            text,
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:8\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n\
             #EXT-X-IMAGES-ONLY\n#EXTINF:8.0,\n#EXT-X-TILES:RESOLUTION=160x90,LAYOUT=2x2,DURATION=2.0\n00001.jpg\n\
             #EXTINF:5.5,\n#EXT-X-TILES:RESOLUTION=160x90,LAYOUT=2x2,DURATION=2.0\n00002.jpg\n#EXT-X-ENDLIST\n"
        );
        assert_eq!(sheets().peak(), 43_637, "30 kB over 5.5 s");
    }
}
