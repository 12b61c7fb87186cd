//! Text in the parts of a joined source: which tracks of which parts are one, and where they lie.

use super::cases::asking;
use super::jobs::{Job, hd};
use super::joined::{joining, lasting, made, refusal};
use crate::model::facts::{MediaFacts, StreamFacts, StreamKind};
use crate::model::joined::{PartText, TextPart};
use crate::model::request::{Sidecar, TextChoice, TextLabels, TextOptions};
use crate::model::spec::SourceSpec;
use crate::model::text::{TextFormat, TextRendition};
use crate::plan::Request;
use crate::plan::testing::{file, picture_stream, sound_stream, video};

/// Codec, language, forced, for viewers who cannot hear.
type Words<'a> = (&'a str, Option<&'a str>, bool, bool);

fn words<'a>(codec: &'a str, language: &'a str) -> Words<'a> {
    (codec, Some(language).filter(|code| !code.is_empty()), false, false)
}

/// Pictures at a rate, sound, and subtitles.
fn film(seconds: i64, (fps, den): (i64, i64), subtitles: &[Words<'_>]) -> MediaFacts {
    let mut streams = vec![picture_stream("h264", video(1280, 720, fps, den)), sound_stream(48_000, 2, "stereo")];
    streams.extend(subtitles.iter().map(|(codec, language, forced, hearing_impaired)| StreamFacts {
        kind: StreamKind::Subtitle,
        codec: (*codec).to_owned(),
        language: language.map(str::to_owned),
        forced: *forced,
        hearing_impaired: *hearing_impaired,
        audio: None,
        ..sound_stream(48_000, 2, "stereo")
    }));
    lasting(file(streams), Some(seconds * 1_000_000))
}

/// The tracks for HLS of a job's only work.
fn tracks(job: &Job) -> Vec<TextRendition> {
    made(job).plan.text.into_iter().filter(|text| text.format == TextFormat::Vtt).collect()
}

/// The stream that each part has for a track.
fn streams(track: &TextRendition) -> Vec<Option<u32>> {
    track.parts.iter().map(|part| part.text.map(|text| text.stream)).collect()
}

/// Language and streams of each track.
fn matched(parts: Vec<MediaFacts>) -> Vec<(Option<String>, Vec<Option<u32>>)> {
    let concat: Vec<usize> = (0..parts.len()).collect();
    let tracks = tracks(&joining(parts, &concat, asking("720p")));
    tracks.iter().map(|track| (track.language.clone(), streams(track))).collect()
}

fn told(language: &str, streams: &[Option<u32>]) -> (Option<String>, Vec<Option<u32>>) {
    (Some(language.to_owned()).filter(|code| !code.is_empty()), streams.to_vec())
}

/// An advert without text, twice, around a piece of a film with text in two languages, and a trailer.
pub(super) fn programme() -> Job {
    let advert = film(2, (25, 1), &[]);
    let feature = film(60, (24_000, 1001), &[words("subrip", "ger"), words("ass", "eng")]);
    let trailer = film(10, (25, 1), &[words("hdmv_pgs_subtitle", "deu"), words("mov_text", "deu")]);
    let mut job = joining(vec![advert, feature, trailer], &[0, 1, 0, 2], asking("360p"));
    (job.spec.sources[1].start_us, job.spec.sources[1].end_us) = (Some(10_000_000), Some(15_000_000));
    job
}

#[test]
fn text_lies_where_the_pictures_of_its_part_do() {
    let job = programme();
    let work = made(&job);
    let [german, english] = &tracks(&job)[..] else { panic!("{:?}", work.plan.text) };
    assert_eq!((german.language.as_deref(), english.language.as_deref()), (Some("ger"), Some("eng")));
    // 5 s at 23.976 are 5 s of 25 a second, to the frame.
    let picture = |number: usize| (work.plan.video.as_ref().unwrap().parts[number].start, number);
    let part = |number: usize, input: usize, end_us: Option<i64>, text: Option<(u32, i64)>| TextPart {
        input,
        start_us: picture(number).0 * 40,
        end_us,
        text: text.map(|(stream, origin_us)| PartText { stream, origin_us }),
    };
    // The piece of the film begins with the whole picture that is nearest to 10 s.
    let origin = german.parts[1].text.unwrap().origin_us;
    assert!((9_975_000..=10_025_000).contains(&origin), "{origin}");
    let ends = [2_000_000, picture(2).0 * 40, picture(3).0 * 40].map(Some);
    let expected = [
        part(0, 0, ends[0], None),
        part(1, 1, ends[1], Some((2, origin))),
        part(2, 0, ends[2], None),
        part(3, 2, None, Some((3, 0))),
    ];
    assert_eq!(german.parts, expected);
    assert_eq!(streams(english), [None, Some(3), None, None]);
    assert_eq!((german.origin_us, german.end_us), (0, work.plan.duration_us));
    assert_eq!((german.stream, english.stream), (2, 3), "of the whole: pictures, sound, text");
    let planning = job.planned();
    let notes: Vec<_> =
        planning.plan.outputs[0].as_ref().unwrap().notes.iter().map(|note| note.code.as_str()).collect();
    assert!(notes.contains(&"text.pictures_left_out"), "{notes:?}");
    let both: Vec<_> = work.plan.text.iter().map(|text| text.id.as_str()).collect();
    assert_eq!(both, ["text-1", "text-1-wvtt", "text-2", "text-2-wvtt"]);
}

#[test]
fn a_language_is_found_wherever_it_stands() {
    let fast = (25, 1);
    let first = film(4, fast, &[words("subrip", "eng"), words("subrip", "fre")]);
    let second = film(4, fast, &[words("mov_text", "fr"), words("mov_text", "ita"), words("mov_text", "EN")]);
    let expected = [told("eng", &[Some(2), Some(4)]), told("fre", &[Some(3), Some(2)]), told("ita", &[None, Some(3)])];
    assert_eq!(matched(vec![first, second]), expected);
}

#[test]
fn roles_keep_tracks_apart_and_nothing_forced_becomes_part_of_another() {
    let fast = (25, 1);
    let plain = words("subrip", "eng");
    let (forced, sdh) = (("subrip", Some("eng"), true, false), ("subrip", Some("eng"), false, true));
    let first = film(4, fast, &[plain, forced, sdh]);
    let second = film(4, fast, &[sdh, plain]);
    let third = film(4, fast, &[sdh]);
    let fourth = film(4, fast, &[forced]);
    let expected = [
        told("eng", &[Some(2), Some(3), None, None]),
        told("eng", &[Some(3), None, None, Some(2)]),
        told("eng", &[Some(4), Some(2), Some(2), None]),
    ];
    assert_eq!(matched(vec![first, second, third, fourth]), expected);
    // For want of better, what is for viewers who cannot hear is read by all.
    let expected = [told("eng", &[Some(2), Some(2)]), told("eng", &[None, Some(3)])];
    assert_eq!(matched(vec![film(4, fast, &[plain]), film(4, fast, &[sdh, forced])]), expected);
}

#[test]
fn order_decides_where_no_language_is_told() {
    let fast = (25, 1);
    let silent = || film(4, fast, &[words("subrip", ""), words("subrip", "und")]);
    let known = || film(4, fast, &[words("subrip", "deu"), words("subrip", "eng")]);
    let expected = [told("deu", &[Some(2), Some(2)]), told("eng", &[Some(3), Some(3)])];
    assert_eq!(matched(vec![silent(), known()]), expected, "and the one that tells it names the track");
    assert_eq!(matched(vec![known(), silent()]), expected);
    // Another language is another track, whatever its place.
    let expected = [told("deu", &[Some(2), None]), told("eng", &[None, Some(2)])];
    let one = |language| film(4, fast, &[words("subrip", language)]);
    assert_eq!(matched(vec![one("deu"), one("eng")]), expected);
}

#[test]
fn the_part_that_decides_comes_first() {
    let fast = (25, 1);
    let advert = film(4, fast, &[words("subrip", "eng")]);
    let feature = film(4, fast, &[words("subrip", "deu"), words("subrip", "eng")]);
    let mut job = joining(vec![advert, feature], &[0, 1], asking("720p"));
    job.spec.sources[2].concat_like = Some(1);
    let languages: Vec<_> = tracks(&job).into_iter().map(|track| track.language).collect();
    assert_eq!(languages, [Some("deu".to_owned()), Some("eng".to_owned())]);
}

fn choosing(choices: Vec<TextChoice>) -> Request {
    Request { text: TextOptions { tracks: choices, ..TextOptions::default() }, ..asking("360p") }
}

#[test]
fn tracks_are_chosen_by_language_and_by_their_place_in_the_whole() {
    let spoken = |code: &str| TextChoice { in_language: Some(code.to_owned()), ..TextChoice::default() };
    let chosen = |choice: TextChoice| {
        let mut job = programme();
        job.spec.outputs[0].request = choosing(vec![choice]);
        job
    };
    let language = |job: &Job| tracks(job).into_iter().map(|track| track.language.unwrap()).collect::<Vec<_>>();
    assert_eq!(language(&chosen(spoken("eng"))), ["eng"]);
    assert_eq!(language(&chosen(spoken("deu"))), ["ger"], "two codes of one language");
    assert_eq!(language(&chosen(TextChoice { stream: Some(3), ..TextChoice::default() })), ["eng"]);
    let at = ("text.track".to_owned(), "outputs[0].text.tracks[0]".to_owned());
    let absent = chosen(TextChoice { stream: Some(4), ..TextChoice::default() });
    assert_eq!(refusal(&absent), at);
    assert!(absent.planned().problems[0].1[0].message.contains("2 (ger), 3 (eng)"));
    assert_eq!(refusal(&chosen(spoken("fra"))), at);
    let mut none = programme();
    none.spec.outputs[0].request.text.omit_embedded = true;
    assert!(made(&none).plan.text.is_empty());
}

#[test]
fn a_file_of_text_for_the_whole_stands_beside_that_of_the_parts() {
    let mut job = programme();
    let subtitles = StreamFacts { audio: None, ..film(1, (25, 1), &[words("subrip", "")]).streams[2].clone() };
    job.spec.sources.push(SourceSpec { id: "srt".into(), ..job.spec.sources[0].clone() });
    job.facts.push(Some(file(vec![subtitles])));
    let source = job.spec.sources.len() as u32 - 1;
    let sidecar = |source| Sidecar { source, labels: TextLabels::default(), encoding: None };
    job.spec.outputs[0].request.text.sidecars = vec![sidecar(source)];
    let planning = job.planned();
    assert!(planning.problems.is_empty(), "{:?}", planning.problems);
    let ids = |work: usize| planning.plan.works[work].plan.text.iter().map(|text| (text.parts.len(), text.end_us));
    let whole = planning.plan.works[0].plan.duration_us;
    assert!(ids(0).all(|of| of == (4, whole)) && ids(0).count() == 4);
    assert!(ids(1).all(|of| of == (0, whole)) && ids(1).count() == 2);
    // A joined source is no file of text, whatever its parts have.
    job.spec.outputs[0].request.text.sidecars = vec![sidecar(3)];
    assert_eq!(refusal(&job), ("text.track".to_owned(), "outputs[0].text.sidecars[0]".to_owned()));
}

#[test]
fn text_of_one_part_alone_is_a_track_and_plans_without_text_have_none() {
    let later = film(4, (25, 1), &[words("dvb_teletext", "deu")]);
    assert_eq!(matched(vec![hd_of(3), later]), [told("deu", &[None, Some(2)])]);
    assert_eq!(matched(vec![hd_of(3), hd_of(2)]), []);
}

fn hd_of(seconds: i64) -> MediaFacts {
    lasting(hd(), Some(seconds * 1_000_000))
}
