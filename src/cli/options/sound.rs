//! Which sound an output has, as it is said on a command line.

use super::{one, refused};
use crate::model::request::decimal;
use crate::model::request::{ChannelChoice, JoinMono, Loudness, SoundOptions, TrackChoice};
use crate::model::{Problem, SoundRole};

/// Options about sound.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sound")]
pub(crate) struct SoundFlags {
    /// Make these tracks only, by stream index or language, in this order: 2:lang=deu:title=Deutsch:default, or eng;
    /// also :descriptive=yes or no, :role=dub, commentary or enhanced-speech; or of channels put together, as in 1+2 or 1+2+3+4+5+6 for 5.1, or 3.0+3.1 for two
    /// channels of track 3; again for each
    #[arg(long = "audio-track", value_name = "TRACK")]
    pub(crate) audio_tracks: Vec<String>,
    /// Put mono tracks together by their order in the file: auto (2 to stereo, 6 to 5.1, 8 to 5.1 and stereo), stereo, 5.1,
    /// 5.1+stereo or 7.1
    #[arg(long, value_name = "LAYOUT", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    pub(crate) join_mono: Option<String>,
    /// Make all sound this loud, LUFS by EBU R 128, such as -23
    #[arg(long, value_name = "LUFS", allow_hyphen_values = true)]
    pub(crate) loudness: Option<String>,
    /// Highest true peak, dBTP [default: -1]
    #[arg(long, value_name = "DBTP", allow_hyphen_values = true, requires = "loudness")]
    pub(crate) true_peak: Option<String>,
    /// Passes for the loudness: 1 makes it as it comes; 2 measures all of it first and keeps its dynamics [default: 1]
    #[arg(long, value_name = "N", requires = "loudness")]
    pub(crate) loudness_passes: Option<String>,
}

impl SoundFlags {
    /// What is meant.
    ///
    /// # Errors
    /// `request.audio_track`, `request.join_mono`, `request.loudness`, `request.true_peak`.
    pub(crate) fn options(&self) -> Result<SoundOptions, Problem> {
        let help = "a stream index or a language, then what players are told, as in 2:lang=deu:title=Deutsch:default";
        let chosen = |text: &String| track(text).ok_or_else(|| refused("audio_track", text, help));
        let target = one(self.loudness.as_deref(), "loudness", "a number such as -23 or -16.5", hundredths)?;
        let true_peak = one(self.true_peak.as_deref(), "true_peak", "a number such as -1", hundredths)?;
        let passes = |text: &str| text.parse().ok().filter(|passes| (1..=2).contains(passes));
        let passes = one(self.loudness_passes.as_deref(), "loudness", "1 or 2 passes", passes)?;
        let loudness = target.map(Loudness::to);
        let layout = |name: &str| JoinMono::ALL.into_iter().find(|layout| layout.name() == name);
        let help = "auto, stereo, 5.1, 5.1+stereo or 7.1";
        let join_mono = one(self.join_mono.as_deref(), "join_mono", help, layout)?;
        Ok(SoundOptions {
            join_mono,
            tracks: self.audio_tracks.iter().map(chosen).collect::<Result<_, _>>()?,
            loudness: loudness.map(|usual| Loudness {
                true_peak: true_peak.unwrap_or(usual.true_peak),
                passes: passes.unwrap_or(usual.passes),
                ..usual
            }),
        })
    }
}

/// A decimal number in hundredths, below zero too.
fn hundredths(text: &str) -> Option<i32> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    i32::try_from(decimal(text, 100)?).ok().map(|number| sign * number)
}

/// A track and what is told of it. Titles hold no colon here.
fn track(text: &str) -> Option<TrackChoice> {
    let mut words = text.trim().split(':');
    let which = words.next().filter(|which| !which.is_empty())?;
    let mut track = TrackChoice::default();
    if which.contains(['+', '.']) {
        track.join = which.split('+').map(channel).collect::<Option<_>>()?;
    } else if which.bytes().all(|b| b.is_ascii_digit()) {
        track.stream = Some(which.parse().ok()?);
    } else {
        track.in_language = Some(which.to_owned());
    }
    for word in words {
        match word.split_once('=') {
            Some(("lang", code)) => track.language = Some(code.to_owned()),
            Some(("title", title)) => track.title = Some(title.to_owned()),
            Some(("source", place)) => track.source = place.parse().ok()?,
            Some(("descriptive", "yes")) => track.descriptive = Some(true),
            Some(("descriptive", "no")) => track.descriptive = Some(false),
            Some(("role", name)) => {
                track.role = Some(SoundRole::ALL.into_iter().find(|role| role.name().replace('_', "-") == name)?);
            }
            None if word == "default" => track.default = true,
            _ => return None,
        }
    }
    Some(track)
}

/// A stream index, and behind a dot a channel of it.
fn channel(text: &str) -> Option<ChannelChoice> {
    let (stream, channel) = text.split_once('.').map_or((text, None), |(stream, channel)| (stream, Some(channel)));
    let channel = channel.map(|channel| channel.parse().ok()).map_or(Some(None), |channel| channel.map(Some))?;
    Some(ChannelChoice { stream: stream.parse().ok()?, channel })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_meant() {
        let flags = SoundFlags {
            audio_tracks: vec!["2:lang=deu:title=Deutsch:default".to_owned(), "eng:descriptive=yes".to_owned()],
            loudness: Some("-16.5".to_owned()),
            ..SoundFlags::default()
        };
        let german = TrackChoice {
            stream: Some(2),
            language: Some("deu".to_owned()),
            title: Some("Deutsch".to_owned()),
            default: true,
            ..TrackChoice::default()
        };
        let english =
            TrackChoice { in_language: Some("eng".to_owned()), descriptive: Some(true), ..TrackChoice::default() };
        assert_eq!(flags.options().unwrap().tracks, [german, english]);
        assert_eq!(flags.options().unwrap().loudness, Some(Loudness::to(-1650)));
        let joined = SoundFlags { audio_tracks: vec!["1+2.0+3.11:default".to_owned()], ..SoundFlags::default() };
        let channel = |stream, channel| ChannelChoice { stream, channel };
        let expected = [channel(1, None), channel(2, Some(0)), channel(3, Some(11))];
        assert_eq!(joined.options().unwrap().tracks[0].join, expected);
        for wrong in ["1+", "1.", "+1", "1+x", "1.2.3", "", ":default", "2:loud", "2:descriptive=maybe", "99999999999"]
        {
            let flags = SoundFlags { audio_tracks: vec![wrong.to_owned()], ..SoundFlags::default() };
            assert_eq!(flags.options().unwrap_err().code, "request.audio_track", "{wrong}");
        }
    }
}
