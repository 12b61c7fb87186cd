//! Which text an output has, as it is said on a command line.

use super::refused;
use crate::model::Problem;
use crate::model::request::{BurnIn, CaptionChoice, CaptionForm, Sidecar, TextChoice, TextLabels, TextOptions};
use std::path::PathBuf;

/// Options about subtitles.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Text")]
pub(crate) struct TextFlags {
    /// A file of subtitles to add: FILE, or with what players are told FILE:lang=de,title=Deutsch,default,forced,sdh; also
    /// encoding=windows-1252; again for each
    #[arg(long = "subtitles", value_name = "FILE")]
    pub(crate) subtitles: Vec<String>,
    /// Text tracks of the source to keep: all, none, or stream indices and languages such as 3,deu [default: all]
    #[arg(long = "text", value_name = "LIST", value_delimiter = ',')]
    pub(crate) text: Vec<String>,
    /// Subtitles of the source that are pictures (PGS, DVB, VobSub) to draw into the pictures: a stream index such as 3, or a
    /// language such as deu
    #[arg(long = "burn-in", value_name = "TRACK")]
    pub(crate) burn_in: Option<String>,
    /// Closed captions to make text tracks of: all, or channels and services with their languages such as
    /// CC1=eng,CC3=fra,SERVICE1
    #[arg(long = "captions", value_name = "LIST", value_delimiter = ',')]
    pub(crate) captions: Vec<String>,
    /// What becomes of closed captions: tracks of text, captions that stay embedded in the pictures, or both
    #[arg(long = "captions-as", value_name = "FORM", value_parser = ["tracks", "embedded", "both"])]
    pub(crate) captions_as: Option<String>,
}

impl TextFlags {
    /// What is meant. Each sidecar names its place among the files, from 0.
    ///
    /// # Errors
    /// `request.text_track`.
    pub(crate) fn options(&self) -> Result<TextOptions, Problem> {
        let words: Vec<&str> = self.text.iter().map(|word| word.trim()).collect();
        let mut options = TextOptions { omit_embedded: words == ["none"], ..TextOptions::default() };
        if !options.omit_embedded && words != ["all"] {
            let help = "all, none, or stream indices and languages, as in 3,deu";
            let chosen = words.iter().map(|word| choice(word).ok_or_else(|| refused("text_track", word, help)));
            options.tracks = chosen.collect::<Result<_, _>>()?;
        }
        options.burn_in = match self.burn_in.as_deref().map(str::trim) {
            Some(word) => {
                let help = "a stream index or a language, as in 3 or deu";
                let TextChoice { stream, in_language, .. } =
                    choice(word).ok_or_else(|| refused("text_track", word, help))?;
                Some(BurnIn { stream, in_language })
            }
            None => None,
        };
        for word in self.captions.iter().map(|word| word.trim()) {
            match word {
                "all" => options.captions.all = true,
                word => options.captions.channels.push(caption(word)?),
            }
        }
        options.captions.form = match self.captions_as.as_deref() {
            Some("embedded") => CaptionForm::Embedded,
            Some("both") => CaptionForm::Both,
            _ => CaptionForm::Tracks,
        };
        if self.captions_as.is_some() && self.captions.is_empty() && options.captions.form != CaptionForm::Embedded {
            let help = "tracks are made of what --captions names, as in --captions all";
            return Err(refused("text_track", self.captions_as.as_deref().unwrap_or_default(), help));
        }
        for (place, text) in self.subtitles.iter().enumerate() {
            let (_, labels, encoding) = parsed(text);
            options.sidecars.push(Sidecar { source: u32::try_from(place).unwrap_or(u32::MAX), encoding, labels });
        }
        Ok(options)
    }

    /// The files, in order.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.subtitles.iter().map(|text| PathBuf::from(parsed(text).0)).collect()
    }
}

/// A channel, and its language behind an equals sign.
fn caption(word: &str) -> Result<CaptionChoice, Problem> {
    let (name, language) = word.split_once('=').map_or((word, None), |(name, language)| (name, Some(language)));
    let help = "all, or CC1 to CC4 and SERVICE1 to SERVICE63, with a language such as CC1=eng";
    let channel = name.parse().map_err(|_| refused("text_track", word, help))?;
    let labels = TextLabels { language: language.map(str::to_owned), ..TextLabels::default() };
    Ok(CaptionChoice { channel, labels })
}

fn choice(word: &str) -> Option<TextChoice> {
    if word.is_empty() || word == "all" || word == "none" {
        return None;
    }
    let is_number = word.bytes().all(|b| b.is_ascii_digit());
    let stream = if is_number { Some(word.parse().ok()?) } else { None };
    let in_language = (!is_number).then(|| word.to_owned());
    Some(TextChoice { stream, in_language, labels: TextLabels::default() })
}

/// The file, and what is said of it behind its last colon. Where that is not all words that are known, the colon is part
/// of the name. Titles hold no comma here.
fn parsed(text: &str) -> (&str, TextLabels, Option<String>) {
    let plain = (text, TextLabels::default(), None);
    let Some((file, words)) = text.rsplit_once(':').filter(|(file, _)| !file.is_empty()) else { return plain };
    let (mut labels, mut encoding) = (TextLabels::default(), None);
    for word in words.split(',') {
        match word.split_once('=') {
            Some(("lang", code)) => labels.language = Some(code.to_owned()),
            Some(("title", title)) => labels.title = Some(title.to_owned()),
            Some(("encoding", label)) => encoding = Some(label.to_owned()),
            None if word == "default" => labels.default = true,
            None if word == "forced" => labels.forced = Some(true),
            None if word == "sdh" => labels.hearing_impaired = Some(true),
            _ => return plain,
        }
    }
    (file, labels, encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_meant() {
        let flags = TextFlags {
            subtitles: vec!["a:b.srt".into(), "s3://x/c.vtt:lang=de,title=Deutsch,forced,sdh,encoding=latin1".into()],
            text: vec!["3".into(), "deu".into()],
            burn_in: Some("4".into()),
            captions: vec!["all".into(), "cc3=fra".into(), "SERVICE1".into()],
            captions_as: Some("both".into()),
        };
        let options = flags.options().unwrap();
        assert_eq!(flags.files(), [PathBuf::from("a:b.srt"), PathBuf::from("s3://x/c.vtt")]);
        assert_eq!(options.sidecars[0].labels, TextLabels::default());
        assert_eq!(options.burn_in, Some(BurnIn { stream: Some(4), in_language: None }));
        assert!(options.captions.all && options.captions.form == CaptionForm::Both);
        let told: Vec<_> =
            options.captions.channels.iter().map(|one| (one.channel.to_string(), &one.labels.language)).collect();
        assert_eq!(told, [("CC3".to_owned(), &Some("fra".to_owned())), ("SERVICE1".to_owned(), &None)]);
        let wrong = TextFlags { captions: vec!["CC5".into()], ..TextFlags::default() };
        assert_eq!(wrong.options().unwrap_err().code, "request.text_track");
        let second = &options.sidecars[1];
        assert_eq!((second.source, second.encoding.as_deref()), (1, Some("latin1")));
        assert_eq!((second.labels.language.as_deref(), second.labels.forced), (Some("de"), Some(true)));
        assert_eq!((options.tracks[0].stream, options.tracks[1].in_language.as_deref()), (Some(3), Some("deu")));
        let of = |words: &[&str]| TextFlags {
            text: words.iter().map(|word| (*word).to_owned()).collect(),
            ..TextFlags::default()
        };
        assert!(of(&["none"]).options().unwrap().omit_embedded);
        assert_eq!(of(&["all"]).options().unwrap(), TextOptions::default());
        assert_eq!(of(&[]).options().unwrap(), TextOptions::default());
        assert_eq!(of(&["none", "3"]).options().unwrap_err().code, "request.text_track");
    }
}
