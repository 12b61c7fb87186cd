//! What to read, as it is written on a command line: parts of it, what stands before and behind, sound and rungs of
//! other files. One list for `transcode`, which names files, and for `submit`, which names them to a daemon.

use super::micros;
use crate::model::Problem;
use crate::model::joined::CONCAT_MAX;
use crate::model::limits::SOURCES_MAX;
use crate::model::request::RenditionSpec;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Options about sources.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sources")]
pub(in crate::cli) struct SourceFlags {
    /// Where to begin in IN, such as 90s or 1:30, counted from its first picture or sound [default: its beginning]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Where to end in IN, counted as --from is [default: its end]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// A file that comes before IN, in the same output; may be given again, and name a file twice
    #[arg(long, value_name = "FILE")]
    prepend: Vec<PathBuf>,
    /// A file that follows IN, in the same output; may be given again, and name a file twice
    #[arg(long, value_name = "FILE")]
    append: Vec<PathBuf>,
    /// Take the sound of this file instead of IN's; may be given again: each file's tracks follow the ones before
    #[arg(long, value_name = "FILE")]
    audio: Vec<PathBuf>,
    /// Make this one of --renditions of another file of the same length and frame rate, such as 360p=small.mp4
    #[arg(long, value_name = "RUNG=FILE")]
    rendition_source: Vec<PathBuf>,
}

/// One source: something to read, or others in a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::cli) enum Listed {
    /// A file as it was named, from and to, µs on its timeline.
    File(PathBuf, Option<i64>, Option<i64>),
    /// Places of files in the list, in a row; and the one that the whole looks like.
    Joined(Vec<usize>, usize),
}

/// Every source of a job, each once, and what each is for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::cli) struct Listing {
    /// The sources.
    pub(in crate::cli) sources: Vec<Listed>,
    /// The one whose pictures are taken, and whose sound unless others are named.
    pub(in crate::cli) main: usize,
    /// Those whose sound is taken instead.
    pub(in crate::cli) audio: Vec<usize>,
    /// Sources of rungs, by the rung's place in `--renditions`.
    pub(in crate::cli) renditions: BTreeMap<usize, usize>,
}

impl SourceFlags {
    /// Whether nothing of all this is written.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.from.is_none()
            && self.to.is_none()
            && [&self.prepend, &self.append, &self.audio, &self.rendition_source].iter().all(|files| files.is_empty())
    }

    /// Everything that a job with this input reads.
    ///
    /// # Errors
    /// `request.trim` for times that are none or make nothing, `request.rendition` for a rung that is not in `rungs`.
    pub(in crate::cli) fn listing(&self, input: &Path, rungs: &[RenditionSpec]) -> Result<Listing, Problem> {
        let (from, to) = (time("--from", self.from.as_deref())?, time("--to", self.to.as_deref())?);
        if to.is_some_and(|to| to <= from.unwrap_or(0)) {
            return Err(refused("--to lies before --from or at it: nothing would be made; name a later time"));
        }
        let mut listing = Listing::default();
        let whole = |path: &PathBuf| Listed::File(path.clone(), None, None);
        let mut parts: Vec<usize> = self.prepend.iter().map(|path| listing.place(whole(path))).collect();
        listing.main = listing.place(Listed::File(input.to_owned(), from, to));
        parts.push(listing.main);
        parts.extend(self.append.iter().map(|path| listing.place(whole(path))));
        if parts.len() > CONCAT_MAX {
            let message = format!("{} files in a row are more than {CONCAT_MAX}: join some of them first", parts.len());
            return Err(Problem::input("request.concat", message));
        }
        if parts.len() > 1 {
            listing.main = listing.place(Listed::Joined(parts, listing.main));
        }
        listing.audio = self.audio.iter().map(|path| listing.place(whole(path))).collect();
        for text in &self.rendition_source {
            let (place, path) = mapped(text, rungs)?;
            let source = listing.place(whole(&path));
            if listing.renditions.insert(place, source).is_some() {
                let message = format!("--rendition-source {} stands there twice: leave one out", text.display());
                return Err(Problem::input("request.rendition", message));
            }
        }
        if listing.sources.len() > SOURCES_MAX {
            let message = format!(
                "{} sources, a row of files among them counted as one more, are more than {SOURCES_MAX}: name fewer files",
                listing.sources.len()
            );
            return Err(Problem::input("request.count", message));
        }
        Ok(listing)
    }
}

impl Listing {
    /// The place of a source, which is added unless it is there: what is named twice is looked at once.
    fn place(&mut self, source: Listed) -> usize {
        let known = self.sources.iter().position(|other| *other == source);
        known.unwrap_or_else(|| {
            self.sources.push(source);
            self.sources.len() - 1
        })
    }
}

fn time(option: &str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let Some(us) = micros(text).filter(|us| *us >= 0) else {
        let shown = text.escape_debug();
        return Err(refused(&format!("{option} `{shown}` is no time from 0: write one such as 90s, 1:30 or 1500ms")));
    };
    Ok(Some(us))
}

/// The rung that `RUNG=FILE` names, by its place, and the file.
fn mapped(text: &Path, rungs: &[RenditionSpec]) -> Result<(usize, PathBuf), Problem> {
    let shown = text.display();
    // A name that is no UTF-8 can be given by another name: the rung before it has to be read.
    let split = text.to_str().and_then(|text| text.split_once('=')).filter(|(_, file)| !file.is_empty());
    let Some((rung, file)) = split else {
        let message = format!("--rendition-source {shown} is not understood; write RUNG=FILE, such as 360p=small.mp4");
        return Err(Problem::input("request.rendition", message));
    };
    let asked: RenditionSpec = rung.parse()?;
    let place = rungs.iter().position(|other| other.size == asked.size).ok_or_else(|| {
        let message = format!("--rendition-source {shown}: `{rung}` is none of --renditions; name it there too");
        Problem::input("request.rendition", message)
    })?;
    Ok((place, PathBuf::from(file)))
}

fn refused(message: &str) -> Problem {
    Problem::input("request.trim", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: SourceFlags,
    }

    fn listing(line: &str) -> Result<Listing, String> {
        let words = std::iter::once("reelmill").chain(line.split_whitespace());
        let rungs: Vec<RenditionSpec> = ["720p", "360p@700k"].map(|text| text.parse().unwrap()).to_vec();
        let flags = Line::try_parse_from(words).unwrap().flags;
        flags.listing(Path::new("in.mp4"), &rungs).map_err(|problem| problem.code)
    }

    fn file(path: &str) -> Listed {
        Listed::File(path.into(), None, None)
    }

    #[test]
    fn a_file_alone_is_one_source() {
        let alone = Listing { sources: vec![file("in.mp4")], ..Listing::default() };
        assert_eq!(listing(""), Ok(alone));
    }

    #[test]
    fn everything_is_listed_once() {
        let line = "--from 1:00 --to 90s --prepend logo.mp4 --append credits.mp4 --append logo.mp4 --audio de.wav \
                    --audio en.wav --rendition-source 360p=de.wav";
        let listing = listing(line).unwrap();
        let part = Listed::File("in.mp4".into(), Some(60_000_000), Some(90_000_000));
        let joined = Listed::Joined(vec![0, 1, 2, 0], 1);
        let sources = [file("logo.mp4"), part, file("credits.mp4"), joined, file("de.wav"), file("en.wav")];
        assert_eq!(listing.sources, sources);
        assert_eq!((listing.main, listing.audio, listing.renditions), (3, vec![4, 5], BTreeMap::from([(1, 4)])));
    }

    #[test]
    fn files_are_counted_as_the_service_counts_them() {
        let append = |count: usize| (0..count).map(|n| format!("--append {n}.mp4 ")).collect::<String>();
        let again = |count: usize| "--append in.mp4 ".repeat(count);
        assert!(listing(&append(SOURCES_MAX - 2)).is_ok());
        assert_eq!(listing(&append(SOURCES_MAX - 1)), Err("request.count".into()));
        assert!(listing(&again(CONCAT_MAX - 1)).is_ok());
        assert_eq!(listing(&again(CONCAT_MAX)), Err("request.concat".into()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (line, code) in [
            ("--from noon", "request.trim"),
            ("--from -5", "request.trim"),
            ("--from 2 --to 2", "request.trim"),
            ("--to 0", "request.trim"),
            ("--rendition-source small.mp4", "request.rendition"),
            ("--rendition-source 360p=", "request.rendition"),
            ("--rendition-source 480p=small.mp4", "request.rendition"),
            ("--rendition-source 360p=a.mp4 --rendition-source 360p=b.mp4", "request.rendition"),
        ] {
            assert_eq!(listing(line), Err(code.into()), "{line}");
        }
    }
}
