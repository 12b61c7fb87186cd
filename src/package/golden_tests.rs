//! Manifests as text goldens under `tests/golden/package`. `REELMILL_BLESS=1` records them again.

use super::fixtures::*;
use super::{ManifestFile, Wishes, manifests};
use crate::model::Ledger;
use crate::model::SoundRole;
use crate::model::codec::{AudioCodec, Packaging, VideoCodec};
use crate::model::facts::{Chapter, HdrKind};
use crate::model::request::ManifestOptions;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

/// All files of a set of manifests in one text, in order.
fn render(files: &[ManifestFile]) -> String {
    let mut text = String::new();
    for file in files {
        writeln!(text, "=== {} ({})\n{}", file.path, file.content_type, file.body).unwrap();
    }
    text
}

fn check(name: &str, ledger: &Ledger, packagings: &[Packaging]) {
    check_with(name, ledger, packagings, PLAIN);
}

fn check_with(name: &str, ledger: &Ledger, packagings: &[Packaging], wishes: Wishes<'_>) {
    let made = render(&manifests(ledger, packagings, wishes, CLOCK));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/package").join(name);
    if env::var_os("REELMILL_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &made).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let differs = golden.lines().zip(made.lines()).enumerate().find(|(_, (old, new))| old != new);
    if let Some((index, (old, new))) = differs {
        panic!("{name}, line {}:\n- {old}\n+ {new}\nREELMILL_BLESS=1 records what is made now", index + 1);
    }
    let (old, new) = (golden.lines().count(), made.lines().count());
    assert_eq!(golden, made, "{name} has {old} lines, {new} were made; REELMILL_BLESS=1 records what is made now");
}

#[test]
fn a_usual_job_growing_and_final() {
    check("usual-growing.txt", &usual(false), &BOTH);
    check("usual-final.txt", &usual(true), &BOTH);
}

#[test]
fn what_is_said_beside_the_media() {
    let options = ManifestOptions {
        program_unix_ms: Some(1_786_000_000_500),
        start_us: Some(6_500_000),
        start_precise: true,
        ..ManifestOptions::default()
    };
    let chapters = [
        Chapter { start_us: 0, end_us: 4_000_000, title: "Prologue".to_owned() },
        Chapter { start_us: 4_000_000, end_us: 14_000_000, title: String::new() },
    ];
    check_with("told-final.txt", &usual(true), &BOTH, Wishes { options: &options, chapters: &chapters, sprites: None });
    let late = ManifestOptions { start_us: Some(-3_000_000), start_precise: false, ..options };
    let wishes = Wishes { options: &late, chapters: &[], sprites: None };
    // Nobody knows where it will end, so it begins where it does.
    check_with("told-growing.txt", &usual(false), &[Packaging::Cmaf], wishes);
}

#[test]
fn sprite_sheets_beside_the_media() {
    let sheets = crate::package::sprites::tests::sheets();
    check_with("sprites-final.txt", &usual(true), &BOTH, Wishes { sprites: Some(&sheets), ..PLAIN });
}

#[test]
fn each_track_as_one_file() {
    let mut whole = usual(true);
    for track in &mut whole.tracks {
        for packaging in BOTH {
            as_single(track, packaging);
        }
    }
    check("single-final.txt", &whole, &BOTH);
}

#[test]
fn rungs_that_have_come_to_different_points_each_have_their_own_timeline() {
    let mut growing = usual(false);
    growing.tracks[0].segments.truncate(1);
    growing.tracks[1].segments.truncate(3);
    check("uneven-growing.txt", &growing, &[Packaging::Cmaf]);
}

#[test]
fn three_codecs_and_two_of_sound() {
    let tracks = vec![
        rung("720p-h264", VideoCodec::H264, (1280, 720), &[1500, 400]),
        rung("360p-h264", VideoCodec::H264, (640, 360), &[300, 100]),
        rung("720p-hevc", VideoCodec::Hevc, (1280, 720), &[900, 300]),
        rung("720p-av1", VideoCodec::Av1, (1280, 720), &[700, 200]),
        as_default(sound("audio-1-aac", AudioCodec::Aac, Some("eng"), "English", &[64, 32])),
        sound("audio-1-opus", AudioCodec::Opus, Some("eng"), "English", &[48, 24]),
    ];
    check("codecs-final.txt", &ledger(true, tracks), &BOTH);
}

#[test]
fn high_dynamic_range_beside_and_without_standard_range() {
    let pq = "hvc1.2.4.L123.B0";
    let tracks = vec![
        rung("1080p-h264", VideoCodec::H264, (1920, 1080), &[2000, 500]),
        in_hdr(rung("1080p-hevc", VideoCodec::Hevc, (1920, 1080), &[1500, 400]), HdrKind::Pq, pq),
    ];
    check("hdr-and-sdr-final.txt", &ledger(true, tracks), &[Packaging::Cmaf]);
    let hlg = in_hdr(
        rung("1080p", VideoCodec::Av1, (1920, 1080), &[1500, 400]),
        HdrKind::Hlg,
        "av01.0.08M.10.0.110.09.18.09.0",
    );
    check("hlg-alone-final.txt", &ledger(true, vec![hlg]), &[Packaging::Cmaf]);
}

#[test]
fn languages_descriptions_layouts_and_a_hostile_title() {
    let tracks = vec![
        rung("360p", VideoCodec::H264, (640, 360), &[300, 100]),
        as_default(sound("audio-1", AudioCodec::Aac, Some("eng"), "English", &[64, 32])),
        with_channels(sound("audio-2", AudioCodec::Aac, Some("eng"), "English", &[160, 80]), 6),
        as_description(sound("audio-3", AudioCodec::Aac, Some("eng"), "English (described)", &[64, 32])),
        sound("audio-4", AudioCodec::Aac, Some("ger"), "Deutsch \"<&>\"\r\n#EXT-X-ENDLIST\0", &[64, 32]),
        sound("audio-5", AudioCodec::Aac, None, "", &[64, 32]),
    ];
    check("languages-final.txt", &ledger(true, tracks), &BOTH);
}

#[test]
fn roles_of_sound_and_surround_beside_stereo() {
    let with = |id: &str, language: &str, title: &str, role| {
        with_role(sound(id, AudioCodec::Aac, Some(language), title, &[64, 32]), role)
    };
    let tracks = vec![
        rung("360p", VideoCodec::H264, (640, 360), &[300, 100]),
        as_default(sound("audio-1-aac", AudioCodec::Aac, Some("eng"), "English", &[64, 32])),
        with("audio-2-aac", "deu", "Deutsch", SoundRole::Dub),
        with("audio-3-aac", "eng", "Director", SoundRole::Commentary),
        with("audio-4-aac", "eng", "Clear speech", SoundRole::EnhancedSpeech),
        as_description(sound("audio-5-aac", AudioCodec::Aac, Some("eng"), "Described", &[64, 32])),
        with_channels(sound("audio-1-ac3", AudioCodec::Ac3, Some("eng"), "English", &[224, 112]), 6),
        sound("audio-1-mp3", AudioCodec::Mp3, Some("eng"), "English", &[64, 32]),
    ];
    check("roles-final.txt", &ledger(true, tracks), &BOTH);
}

#[test]
fn sound_alone() {
    let one = as_default(sound("audio-1", AudioCodec::Aac, Some("fra"), "Balado", &[64, 64, 32]));
    check("sound-one-final.txt", &ledger(true, vec![one.clone()]), &BOTH);
    let tracks = vec![
        one,
        sound("audio-2", AudioCodec::Aac, Some("fra"), "Balado", &[32, 32, 16]),
        sound("audio-3", AudioCodec::Aac, Some("eng"), "Podcast", &[64, 64, 32]),
        sound("audio-4", AudioCodec::Opus, Some("fra"), "Balado", &[48, 48, 24]),
    ];
    check("sound-several-growing.txt", &ledger(false, tracks), &BOTH);
}

#[test]
fn variable_rate_with_a_still_that_skips_indices() {
    let mut track = rung("480p", VideoCodec::H264, (854, 480), &[]);
    // One picture stands from 5 s to 17.3 s: segments 2 and 3 have no frame of their own.
    let times = [(0, 0, 364_500), (1, 364_500, 1_192_500), (4, 1_557_000, 243_000)];
    fill(&mut track, &times, &[800, 150, 600]);
    for file in &mut track.segments[1].files {
        let first = file.key_frames[0];
        let second = crate::model::ledger::KeyFrame { offset: first.offset + first.bytes, bytes: 940, time: 450_000 };
        file.key_frames.push(second);
    }
    check("variable-rate-final.txt", &ledger(true, vec![track]), &BOTH);
}
