//! Single pictures, as they are said on a command line.

use super::{micros, one, positive, refused};
use crate::model::Problem;
use crate::model::request::{ImageFormat, Moment, SpriteOptions, StillsOptions};

const STILLS: &str = "which, then how, as in every=10s,width=640 or at=1:02.5,at=90s,format=png or evenly=9 or best=3; also \
                      height=, quality=, upscale, key-frames, alone";
const SPRITES: &str = "as in columns=10,rows=10,width=160,interval=5s,format=webp,quality=80,exact,alone";

/// Options about single pictures.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Stills")]
pub(crate) struct StillsFlags {
    /// Make stills too: at=1:02.5,at=90s or every=10s or evenly=9 or best=3, then width=, height=, format=jpeg|png|webp,
    /// quality=, upscale, key-frames, and alone to make nothing else
    #[arg(long, value_name = "WHICH,HOW")]
    pub(crate) stills: Option<String>,
    /// Make sprite sheets for seeking too: columns=, rows=, width=, interval=, format=jpeg|webp, quality=, exact, alone
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) sprites: Option<String>,
}

/// What `reelmill stills` is asked.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct StillsOnly {
    /// At this time: 1:02.5, 90s, 1500ms; again for each
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Vec<String>,
    /// One each so long
    #[arg(long, value_name = "TIME")]
    every: Option<String>,
    /// So many, evenly over the whole
    #[arg(long, value_name = "N")]
    evenly: Option<String>,
    /// So many that are not black, blurred or alike
    #[arg(long, value_name = "N")]
    best: Option<String>,
    /// At most so wide, pixels
    #[arg(long, value_name = "N")]
    width: Option<String>,
    /// At most so high, pixels
    #[arg(long, value_name = "N")]
    height: Option<String>,
    /// May be larger than the source
    #[arg(long)]
    upscale: bool,
    /// jpeg, png, webp [default: jpeg]
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// 1 to 100 [default: 85, of WebP 80]
    #[arg(long, value_name = "N")]
    quality: Option<String>,
    /// Decode key frames only: the last one at or before each time
    #[arg(long)]
    key_frames: bool,
}

impl StillsFlags {
    /// The stills that are meant.
    ///
    /// # Errors
    /// `request.stills`.
    pub(crate) fn stills(&self) -> Result<Option<StillsOptions>, Problem> {
        self.stills.as_deref().map(|text| stills(text).ok_or_else(|| refused("stills", text, STILLS))).transpose()
    }

    /// The sheets that are meant.
    ///
    /// # Errors
    /// `request.sprites`.
    pub(crate) fn sprites(&self) -> Result<Option<SpriteOptions>, Problem> {
        self.sprites.as_deref().map(|text| sprites(text).ok_or_else(|| refused("sprites", text, SPRITES))).transpose()
    }
}

impl StillsOnly {
    /// What is meant: stills alone.
    ///
    /// # Errors
    /// `request.at` and the like, by the option.
    pub(crate) fn options(&self) -> Result<StillsOptions, Problem> {
        const TIMES: &str = "a time such as 1:02.5, 90s or 1500ms";
        let time = |what: &str, text: &str| one(Some(text), what, TIMES, |text| micros(text).map(Moment));
        let number = |what: &str, text: &Option<String>| one(text.as_deref(), what, "a number from 1", positive);
        let times: Vec<Option<Moment>> = self.at.iter().map(|text| time("at", text)).collect::<Result<_, _>>()?;
        let every = self.every.as_deref().map(|text| time("every", text)).transpose()?.flatten();
        let quality = one(self.quality.as_deref(), "quality", "1 to 100", |text| text.parse().ok())?;
        Ok(StillsOptions {
            times: times.into_iter().flatten().collect(),
            every,
            evenly: number("evenly", &self.evenly)?,
            best: number("best", &self.best)?,
            width: number("width", &self.width)?,
            height: number("height", &self.height)?,
            upscale: self.upscale,
            format: one(self.format.as_deref(), "format", "jpeg, png or webp", format)?.unwrap_or_default(),
            quality,
            key_frames: self.key_frames,
            alone: true,
        })
    }
}

fn format(name: &str) -> Option<ImageFormat> {
    ImageFormat::ALL.into_iter().find(|format| format.name() == name)
}

fn stills(text: &str) -> Option<StillsOptions> {
    let mut asked = StillsOptions::default();
    for word in text.split(',').map(str::trim) {
        match word.split_once('=') {
            Some(("at", time)) => asked.times.push(Moment(micros(time)?)),
            Some(("every", time)) => asked.every = Some(Moment(micros(time)?)),
            Some(("evenly", count)) => asked.evenly = Some(positive(count)?),
            Some(("best", count)) => asked.best = Some(positive(count)?),
            Some(("width", side)) => asked.width = Some(positive(side)?),
            Some(("height", side)) => asked.height = Some(positive(side)?),
            Some(("format", name)) => asked.format = format(name)?,
            Some(("quality", number)) => asked.quality = Some(number.parse().ok()?),
            None if word == "upscale" => asked.upscale = true,
            None if word == "key-frames" => asked.key_frames = true,
            None if word == "alone" => asked.alone = true,
            _ => return None,
        }
    }
    Some(asked)
}

fn sprites(text: &str) -> Option<SpriteOptions> {
    let mut asked = SpriteOptions::default();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word.split_once('=') {
            Some(("columns", count)) => asked.columns = Some(positive(count)?),
            Some(("rows", count)) => asked.rows = Some(positive(count)?),
            Some(("width", side)) => asked.tile_width = Some(positive(side)?),
            Some(("interval", time)) => asked.interval = Some(Moment(micros(time)?)),
            Some(("format", name)) => asked.format = format(name)?,
            Some(("quality", number)) => asked.quality = Some(number.parse().ok()?),
            None if word == "exact" => asked.exact = true,
            None if word == "alone" => asked.alone = true,
            _ => return None,
        }
    }
    Some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stills_and_sheets_are_read_word_by_word() {
        let asked = stills("at=1:02.5,at=90s,width=640,format=png,key-frames,alone").unwrap();
        assert_eq!(asked.times, [Moment(62_500_000), Moment(90_000_000)]);
        assert_eq!(
            (asked.width, asked.format, asked.key_frames, asked.alone),
            (Some(640), ImageFormat::Png, true, true)
        );
        assert_eq!(stills("every=10s").unwrap().every, Some(Moment(10_000_000)));
        assert_eq!(stills("at=-5").unwrap().times, [Moment(-5_000_000)], "refused with its reason later");
        for text in ["", "often", "every", "every=x", "width=0", "format=gif", "at=1:2:3:4"] {
            assert!(stills(text).is_none(), "{text}");
        }
        assert_eq!(sprites(""), Some(SpriteOptions::default()));
        let asked = sprites("columns=5,rows=4,width=320,interval=2.5s,format=webp,quality=70,exact").unwrap();
        assert_eq!((asked.columns, asked.rows, asked.tile_width), (Some(5), Some(4), Some(320)));
        assert_eq!((asked.interval, asked.quality, asked.exact), (Some(Moment(2_500_000)), Some(70), true));
        assert!(sprites("tiles=5").is_none());
    }
}
