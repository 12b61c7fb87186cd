//! The corpus suite: every file of `../shared/corpus` comes out right or is refused for the right reason.
//!
//! What is right is the table in `expected.md`. Each row is one trial, so that runners run them side by side:
//!
//! | step | file |
//! |---|---|
//! | read the table, compare it with the corpus's own manifest | `table.rs` |
//! | cut long files short, measure the source with ffprobe | `source.rs` |
//! | run `reelmill transcode`, judge its exit | `verdict.rs` |
//! | read playlists and MPD, compare them with the files | `output.rs`, `dash.rs` |
//! | decode each track: frames, times, shape, key frames | `track.rs` |
//! | sound in its place | `sound.rs` |
//! | likeness to the source | `picture.rs` |
//! | closed captions, as FFmpeg reads them | `captions.rs` |
//!
//! Generated media (`made.rs`) run through the same checks wherever FFmpeg's tools are, and `trust.rs` checks the
//! checker: it must pass a sound output made by another program and fail each way of breaking it.
//!
//! Environment: `REELMILL_CORPUS` (directory, `../shared/corpus` by default), `REELMILL_CORPUS_FULL=1` (nothing is cut
//! short), `REELMILL_UNDER_TEST` (another program with the same command line).

mod captions;
mod dash;
mod made;
mod output;
mod picture;
mod sound;
mod source;
mod table;
mod tools;
mod track;
mod trust;
mod verdict;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A check either holds or says in a sentence what does not.
pub(crate) type Check<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = trust::trials();
    trials.extend(made::trials());
    trials.extend(corpus_trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// One trial a row. Without the corpus they are listed as ignored, so that a runner counts what did not run.
fn corpus_trials() -> Vec<Trial> {
    let rows = match table::rows() {
        Ok(rows) => rows,
        Err(problem) => return vec![Trial::test("corpus::table", move || Err(Failed::from(problem)))],
    };
    let directory = corpus_directory();
    let present = directory.join("MANIFEST.tsv").is_file();
    if !present {
        eprintln!("****************************************************************************************");
        eprintln!("*** THE CORPUS IS ABSENT: {} rows of tests/corpus/expected.md WILL NOT RUN.", rows.len());
        eprintln!("*** Looked in {} (set REELMILL_CORPUS). Generated media still run.", directory.display());
        eprintln!("****************************************************************************************");
    }
    let mut trials = Vec::new();
    let listed = rows.clone();
    let manifest = directory.join("MANIFEST.tsv");
    trials.push(
        Trial::test("corpus::table_matches_manifest", move || {
            table::match_manifest(&listed, &manifest).map_err(Failed::from)
        })
        .with_ignored_flag(!present),
    );
    let captioned = directory.clone();
    let trial = Trial::test("corpus::captions_are_those_that_ffmpeg_reads", move || {
        captions::check(&captioned, "sintel_multichannel_608.ts").map_err(Failed::from)
    });
    trials.push(trial.with_ignored_flag(!present));
    for row in rows {
        let directory = directory.clone();
        let name = format!("corpus::{}", row.trial_name());
        let trial = Trial::test(name, move || verdict::check_file(&directory, &row).map_err(Failed::from));
        trials.push(trial.with_ignored_flag(!present));
    }
    trials
}

fn corpus_directory() -> PathBuf {
    match std::env::var_os("REELMILL_CORPUS") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"),
    }
}
