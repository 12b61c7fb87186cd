//! What is drawn over pictures, as it is written on a command line: what it is, then options behind colons.

use crate::model::Problem;
use crate::model::request::{Millis, Path, Position, Share, SizeOf, Watermark};
use std::str::FromStr;

/// Options about what is drawn over pictures.
#[derive(clap::Args, Clone, Debug, Default)]
pub(in crate::cli) struct WatermarkFlags {
    /// An image over the pictures: FILE[:position=bottom-right][:size=12%][:of=width|height|short][:opacity=70%][:margin=3%]
    /// [:motion=left-right|top-bottom|diagonal][:period=20s][:start=0s][:end=9s][:fade-in=1s][:fade-out=1s]; may be given again
    #[arg(long, value_name = "FILE[:OPTIONS]")]
    watermark: Vec<String>,
    /// A text over the pictures, with the same options and font=NAME, color=#ffffff, outline=#000000, background=#000000;
    /// a colon of the text itself is written `\:`
    #[arg(long, value_name = "TEXT[:OPTIONS]")]
    watermark_text: Vec<String>,
    /// The time of each picture over it, hours:minutes:seconds:frames, counted from START, with the same options
    #[arg(long, value_name = "START[:OPTIONS]", num_args = 0..=1, default_missing_value = "00:00:00:00")]
    burn_timecode: Vec<String>,
}

impl WatermarkFlags {
    /// What is meant, images first, then texts, then timecodes.
    ///
    /// # Errors
    /// `request.watermark`, `request.locator`, `request.color`.
    pub(super) fn watermarks(&self) -> Result<Vec<Watermark>, Problem> {
        let mut marks = Vec::new();
        for text in &self.watermark {
            let (what, options) = taken_apart(text);
            let image = what.parse().map_err(|problem: Problem| problem.at("--watermark"))?;
            marks.push(with_options(
                Watermark { image: Some(image), ..Watermark::default() },
                &options,
                "--watermark",
            )?);
        }
        for text in &self.watermark_text {
            let (what, options) = taken_apart(text);
            let mark = Watermark { text: Some(what.replace("\\n", "\n")), ..Watermark::default() };
            marks.push(with_options(mark, &options, "--watermark-text")?);
        }
        for text in &self.burn_timecode {
            // A timecode is as long as it is, and has colons of its own.
            let (what, rest) = text.split_at_checked(11).unwrap_or((text, ""));
            let timecode = what.parse().map_err(|problem: Problem| problem.at("--burn-timecode"))?;
            let options = taken_apart(rest).1;
            let mark = Watermark { timecode: Some(timecode), ..Watermark::default() };
            marks.push(with_options(mark, &options, "--burn-timecode")?);
        }
        for mark in &marks {
            if let Some(problem) = mark.check().into_iter().next() {
                return Err(Problem { field: String::new(), ..problem });
            }
        }
        Ok(marks)
    }
}

/// What stands before the first option, and the options. A colon is part of something where a backslash stands before it,
/// and where no `name=` follows it.
fn taken_apart(text: &str) -> (String, Vec<String>) {
    let mut parts: Vec<String> = vec![String::new()];
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        let is_option = || {
            let name = after.split('=').next().unwrap_or_default();
            after.contains('=') && !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        };
        if letter == '\\' && after.starts_with(':') {
            parts.last_mut().expect("there is a first part").push(':');
            rest = &after[1..];
            continue;
        }
        if letter == ':' && is_option() {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("there is a first part").push(letter);
        }
        rest = after;
    }
    let options = parts.split_off(1);
    (parts.concat(), options)
}

fn with_options(mut mark: Watermark, options: &[String], flag: &str) -> Result<Watermark, Problem> {
    for option in options {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        apply(&mut mark, name, value).map_err(|problem| problem.at(flag))?;
    }
    Ok(mark)
}

fn apply(mark: &mut Watermark, name: &str, value: &str) -> Result<(), Problem> {
    let one_of = |names: Vec<&'static str>| refused(name, value, &names.join(", "));
    match name {
        "position" => {
            let names = || one_of(Position::ALL.iter().map(|p| p.name()).collect());
            mark.position = Position::ALL.iter().copied().find(|p| p.name() == value).ok_or_else(names)?;
        }
        "of" => {
            let names = || one_of(SizeOf::ALL.iter().map(|p| p.name()).collect());
            mark.size_of = Some(SizeOf::ALL.iter().copied().find(|of| of.name() == value).ok_or_else(names)?);
        }
        "motion" => {
            let names = || one_of(Path::ALL.iter().map(|p| p.name()).collect());
            mark.motion = Some(Path::ALL.iter().copied().find(|path| path.name() == value).ok_or_else(names)?);
        }
        "size" => mark.size = Some(value.parse()?),
        "opacity" => mark.opacity = Some(share(value)?),
        "margin" => {
            let margin: Share = value.parse()?;
            (mark.margin_x, mark.margin_y) = (Some(margin), Some(margin));
        }
        "margin-x" => mark.margin_x = Some(value.parse()?),
        "margin-y" => mark.margin_y = Some(value.parse()?),
        "period" => mark.period = Some(millis(value)?),
        "start" => mark.start = Some(millis(value)?),
        "end" => mark.end = Some(millis(value)?),
        "fade-in" => mark.fade_in = Some(millis(value)?),
        "fade-out" => mark.fade_out = Some(millis(value)?),
        "font" => mark.font = Some(value.to_owned()),
        "color" => mark.color = Some(value.parse()?),
        "outline" => mark.outline = Some(value.parse()?),
        "background" => mark.background = Some(value.parse()?),
        _ => {
            let known = "position, size, of, opacity, margin, margin-x, margin-y, motion, period, start, end, fade-in, \
                         fade-out, font, color, outline or background";
            let message = format!("a watermark has no option `{}`: write {known}", name.escape_debug());
            return Err(Problem::input("request.watermark", message));
        }
    }
    Ok(())
}

/// A percentage, or a part of one, as in `0.7`.
fn share(text: &str) -> Result<Share, Problem> {
    match crate::model::request::decimal(text, 1000) {
        Some(permille @ 0..=1000) if text.contains('.') || text == "1" || text == "0" => Ok(Share(permille as u32)),
        _ => text.parse(),
    }
}

/// A duration of a watermark; every form of a time that other options take.
fn millis(text: &str) -> Result<Millis, Problem> {
    match super::micros(text) {
        Some(us) if us >= 0 => Ok(Millis(us.unsigned_abs() / 1000)),
        _ => Millis::from_str(text),
    }
}

fn refused(name: &str, value: &str, help: &str) -> Problem {
    let message = format!("{name} `{}` is not understood: write {help}", value.escape_debug());
    Problem::input("request.watermark", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(images: &[&str], texts: &[&str], timecodes: &[&str]) -> Result<Vec<Watermark>, Problem> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let flags =
            WatermarkFlags { watermark: owned(images), watermark_text: owned(texts), burn_timecode: owned(timecodes) };
        flags.watermarks()
    }

    #[test]
    fn what_is_drawn_and_how_stand_in_one_word() {
        let marks = read(
            &["logo.png:position=top-left", "https://h:1/a.svg:size=10%:opacity=0.7:margin=2.5%"],
            &[r"10\:30: now:start=1:30:fade-in=500ms:color=#ff0000"],
            &["01:00:00;00:position=top:font=Noto Sans"],
        )
        .unwrap();
        assert_eq!(marks[0].position, Position::TopLeft);
        assert_eq!(marks[1].image.as_ref().unwrap().to_string(), "https://h:1/a.svg");
        assert_eq!(
            (marks[1].size, marks[1].opacity, marks[1].margin_y),
            (Some(Share(100)), Some(Share(700)), Some(Share(25)))
        );
        assert_eq!(marks[2].text.as_deref(), Some("10:30: now"));
        assert_eq!((marks[2].start, marks[2].fade_in), (Some(Millis(90_000)), Some(Millis(500))));
        assert_eq!((marks[3].timecode.unwrap().hours, marks[3].font.as_deref()), (1, Some("Noto Sans")));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (image, code) in [
            ("a.png:position=middle", "request.watermark"),
            ("a.png:sise=3%", "request.watermark"),
            ("a.png:size=0%", "request.watermark"),
            ("a.png:fade-out=1s", "request.watermark"),
            ("ftp://h/a.png", "request.locator"),
        ] {
            assert_eq!(read(&[image], &[], &[]).unwrap_err().code, code, "{image}");
        }
        assert_eq!(read(&[], &["x:color=red"], &[]).unwrap_err().code, "request.color");
        assert_eq!(read(&[], &[], &["1s"]).unwrap_err().code, "request.watermark");
    }
}
