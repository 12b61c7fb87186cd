//! Profiles that are shipped, and files with mistakes.

use super::*;
use crate::model::request::{CaptionForm, Deinterlace, FieldRate, RateMode, SizeSpec, Strength};
use crate::model::{Packaging, VideoCodec};

fn loaded(files: &[(&str, &str)]) -> Result<Profiles, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let prefix = format!("{}/", dir.path().display());
    Profiles::load(Some(dir.path())).map_err(|problems| {
        let told = |problem: Problem| format!("[{}] {}", problem.code, problem.message.replace(&prefix, ""));
        problems.into_iter().map(told).collect()
    })
}

#[test]
fn the_shipped_ones_are_good() {
    let profiles = Profiles::load(None).unwrap();
    let titles: Vec<_> = profiles.all().iter().map(Profile::title).collect();
    assert_eq!(titles, ["archive@1", "audio-only@1", "mobile@1", "social-portrait@1", "web-vod@1"]);
    let web = &profiles.find("web-vod").unwrap().outputs[0];
    assert_eq!(web.rate_control, Some(RateMode::CappedCrf { crf: Some(23) }));
    assert_eq!((web.segment_ms, web.copy), (Some(4000), None));
    assert_eq!(profiles.find("audio-only@1").unwrap().outputs[0].omit_video, Some(true));
    assert!(profiles.find("web-vod@2").is_none() && profiles.find("web").is_none());
}

#[test]
fn json_and_toml_say_the_same_and_the_newest_version_wins() {
    let toml = "name = 'x'\nversion = 9\n[[outputs]]\nid = 'a'\nrenditions = ['720p@2M', {size = '640x360'}]\n\
                packagings = ['cmaf']\nupload = {acl = 'public-read', metadata = {k = 'v'}, create_bucket = true}\n";
    let json = r#"{"name": "x", "version": 10, "outputs": [{"id": "a", "packagings": ["cmaf"],
        "renditions": ["720p@2M", {"size": "640x360"}],
        "upload": {"acl": "public-read", "metadata": {"k": "v"}, "create_bucket": true}}]}"#;
    let profiles = loaded(&[("a.toml", toml), ("b.json", json), ("notes.txt", "{")]).unwrap();
    let (nine, newest) = (profiles.find("x@9").unwrap(), profiles.find("x").unwrap());
    assert_eq!((newest.version, &newest.outputs), (10, &nine.outputs));
    assert_eq!(nine.outputs[0].renditions[1].size, SizeSpec::Box { width: 640, height: 360 });
    assert_eq!(nine.outputs[0].packagings, [Packaging::Cmaf]);
    assert_eq!(nine.outputs[0].upload.metadata["k"], "v");
    assert_eq!(nine.outputs[0].request().codecs, Vec::<VideoCodec>::new());
}

#[test]
fn sound_options_are_read_and_their_mistakes_are_told() {
    let of = |sound: &str| {
        let text =
            format!("name = 'x'\nversion = 1\n[[outputs]]\nid = 'a'\naudio_codecs = ['aac', 'ac3']\nsound = {sound}\n");
        loaded(&[("a.toml", &text)]).map(|profiles| profiles.find("x").unwrap().outputs[0].request().sound)
    };
    let read =
        of("{ loudness = { target = -1600, passes = 2 }, tracks = [{ join = [{ stream = 1 }, { stream = 2 }] }] }");
    let read = read.unwrap();
    assert_eq!(read.loudness.map(|loudness| (loudness.target, loudness.passes)), Some((-1600, 2)));
    assert_eq!(read.tracks[0].join.len(), 2);
    let told = |sound: &str| of(sound).unwrap_err().join("\n");
    assert!(told("{ loudness = { target = -1600, passes = 3 } }").contains("in one pass or in two"));
    assert!(told("{ tracks = [{ join = [{ stream = 1, chanel = 2 }] }] }").contains("unknown field `chanel`"));
}

#[test]
fn text_options_are_read_and_their_mistakes_are_told() {
    let of = |text: &str| {
        let text = format!("name = 'x'\nversion = 1\n[[outputs]]\nid = 'a'\ntext = {text}\n");
        loaded(&[("a.toml", &text)]).map(|profiles| profiles.find("x").unwrap().outputs[0].request().text)
    };
    let read = of("{ captions = { channels = [{ channel = 'CC3', language = 'fra' }], all = true, as = 'both' } }");
    let captions = read.unwrap().captions;
    assert_eq!((captions.all, captions.form), (true, CaptionForm::Both));
    assert_eq!(captions.channels[0].channel.to_string(), "CC3");
    assert_eq!(captions.channels[0].labels.language.as_deref(), Some("fra"));
    let told = |text: &str| of(text).unwrap_err().join("\n");
    assert!(told("{ captions = { channels = [{ channel = 'CC5' }] } }").contains("there are CC1 to CC4"));
    assert!(told("{ captions = { channels = [{ channel = 'CC1' }, { channel = 'CC1' }] } }").contains("chosen twice"));
}

#[test]
fn picture_options_are_read_and_their_mistakes_are_told() {
    let of = |picture: &str| {
        let text = format!("name = 'x'\nversion = 1\n[[outputs]]\nid = 'a'\npicture = {picture}\n");
        loaded(&[("a.toml", &text)]).map(|profiles| profiles.find("x").unwrap().outputs[0].request().picture)
    };
    let read = of("{ crop = { width = 1440, height = 1080, x = 240 }, pad = { shape = '16:9' }, denoise = 'light' }");
    let read = read.unwrap();
    assert_eq!(read.crop.map(|crop| (crop.x, crop.y, crop.width)), Some((240, 0, 1440)));
    assert_eq!((read.pad.unwrap().shape.to_string(), read.denoise), ("16:9".into(), Some(Strength::Light)));
    let timed =
        of("{ deinterlace = 'force', field_rate = 'field', field_order = 'top_first', frame_rate_max = '29.97' }");
    let timed = timed.unwrap().timing();
    assert_eq!((timed.deinterlace, timed.field_rate), (Deinterlace::Force, FieldRate::Field));
    assert_eq!(timed.frame_rate_max.map(String::from).as_deref(), Some("30000/1001"));
    let film = of("{ deinterlace = 'inverse_telecine' }").unwrap().timing();
    assert_eq!(film.deinterlace, Deinterlace::InverseTelecine);
    let told = |picture: &str| of(picture).unwrap_err().join("\n");
    assert!(told("{ frame_rate = '0' }").contains("is no frame rate"));
    assert!(told("{ pad = { shape = '16-9' } }").starts_with("[profile.value] a.toml:5: `picture`:"));
    assert!(told("{ sharpness = 'light' }").contains("unknown field `sharpness`"));
    assert!(of("{ crop_bars = true }").unwrap().crop_bars);
    assert!(
        told("{ crop_bars = true, crop = { width = 9, height = 9 } }").starts_with("[request.crop] a.toml:5: either")
    );
    assert!(told("{ crop = { width = 1, height = 9 } }").starts_with("[request.crop] a.toml:5: nothing would be left"));
}

#[test]
fn rate_controls_are_read_and_their_mistakes_are_told() {
    let of = |control: &str| {
        let text = format!("name = 'x'\nversion = 1\n[[outputs]]\nid = 'a'\nrate_control = {control}\n");
        loaded(&[("a.toml", &text)]).map(|profiles| profiles.find("x").unwrap().outputs[0].request().rate_mode)
    };
    assert_eq!(of("{ mode = 'two_pass' }"), Ok(RateMode::TwoPass));
    assert_eq!(of("{ mode = 'vbv' }"), Ok(RateMode::Vbv));
    assert_eq!(of("{ mode = 'crf', crf = 20 }"), Ok(RateMode::Crf { crf: Some(20) }));
    let told = |control: &str| of(control).unwrap_err().join("\n");
    assert!(told("{ mode = 'two_pass', crf = 20 }").contains("a.toml:5: `crf` goes with the modes"));
    assert!(told("{ mode = 'two-pass' }").contains("a.toml:5: `rate_control` needs a `mode`"));
    let text = "name = 'x'\nversion = 1\n[[outputs]]\nid = 'a'\nvideo_codecs = ['av1']\npackagings = ['cmaf']\n\
                rate_control = { mode = 'two_pass' }\n";
    let refused = loaded(&[("a.toml", text)]).map(|_| ()).unwrap_err().join("\n");
    assert!(refused.contains("two passes"), "{refused}");
}

#[test]
fn watermarks_are_read_and_their_mistakes_are_told() {
    let of = |marks: &str| {
        let text = format!("name = 'x'\nversion = 1\n[[outputs]]\nid = 'a'\nwatermarks = {marks}\n");
        loaded(&[("a.toml", &text)]).map(|profiles| profiles.find("x").unwrap().outputs[0].request().watermarks)
    };
    let read =
        of("[{ image = '/l.png', position = 'top_right', size = '12.5%', fade_in = '1s' }, { text = 'x' }]").unwrap();
    assert_eq!((read.len(), read[0].size.unwrap().0, read[0].fade_in.unwrap().0), (2, 125, 1000));
    let told = |marks: &str| of(marks).unwrap_err().join("\n");
    assert!(told("[{ text = 'x', size = '12' }]").starts_with("[profile.value] a.toml:5: `watermarks`:"));
    assert!(told("[{ text = 'x', image = '/l.png' }]").starts_with("[request.watermark] a.toml:5: a watermark is"));
}

#[test]
fn what_files_say_of_themselves_is_read_and_its_mistakes_are_told() {
    let of = |metadata: &str, more: &str| {
        let text = format!(
            "name = 'x'\nversion = 1\n[[outputs]]\nid = 'a'\nfile_metadata = {metadata}\n{more}sound = {{ join_mono = '5.1' }}\n"
        );
        loaded(&[("a.toml", &text)]).map(|profiles| profiles.find("x").unwrap().outputs[0].request())
    };
    let files = "progressive_mp4 = true\n";
    let read = of("{ tags = { album_artist = 'Us', title = '' }, cover = '/c.png' }", files).unwrap();
    let asked = &read.file_metadata;
    assert_eq!((asked.tags.len(), asked.cover.as_ref().unwrap().to_string()), (2, "/c.png".to_owned()));
    assert_eq!(read.sound.join_mono.unwrap().name(), "5.1");
    let told = |metadata: &str, more: &str| of(metadata, more).unwrap_err().join("\n");
    assert!(told("{ tags = { encoder = 'x' } }", files).starts_with("[profile.value] a.toml:5: `file_metadata`:"));
    assert!(told("{ tags = { track = 'x' } }", files).starts_with("[request.file_metadata] a.toml:5: the tag `track`"));
    assert!(told("{ tags = { title = 'x' } }", "").contains("only progressive files have tags"));
}

#[test]
fn every_mistake_of_every_file_is_told_with_its_line() {
    let one = "name = 'One'\ndescripton = ''\n\n[[outputs]]\nvideo_codecs = [\n  'h264',\n  'h265',\n]\n\
               rate_control = { mode = 'cbr' }\ndestination = '/x'\n[[outputs]]\nsegment_duration = '31s'\n\
               spans = 'two'\n[[outputs]]\nrenditions = [{ size = '1080i' }]\nvideo_codecs = 'av1'\n\
               [[outputs]]\nvideo_codecs = ['av1']\npackagings = ['ts']\nrate_control = { mode = 'crf', crf = 99 }\n";
    let two = "{\n \"name\": \"two\",\n \"version\": 1.5,\n \"outputs\": [{\"copy\": 1,\n  \"copy\": true}]\n}";
    let found = loaded(&[
        ("1.toml", one),
        ("2.json", two),
        ("3.json", "{\n"),
        ("4.toml", "a = \n[b"),
        ("5.toml", "name = 'web-vod'\nversion = 1\n[[outputs]]\n"),
    ])
    .unwrap_err();
    let expected = [
        "[profile.unknown_key] 1.toml:2: a profile has no key `descripton`; did you mean `description`?",
        "[profile.value] 1.toml:1: a profile needs a `name` of 1 to 64 of a-z 0-9 _ -",
        "[profile.value] 1.toml:1: a profile needs a `version` from 1",
        "[profile.unknown_key] 1.toml:10: `destination` is for the job to say: leave it out here",
        "[profile.value] 1.toml:7: `video_codecs`: unknown variant `h265`, expected one of `h264`, `hevc`, `av1`, `vp9`",
        "[profile.value] 1.toml:9: `rate_control` needs a `mode`: \"vbv\", \"two_pass\", \"capped_crf\" or \"crf\"",
        "[request.segment] 1.toml:12: segment duration `31s` cannot be used: ask for 500ms to 30s, as in 4s or 2500ms",
        "[profile.value] 1.toml:13: `spans` must be a whole number from 0 to 4294967295",
        "[request.rendition] 1.toml:15: `1080i` is not a rendition: write a quality such as 1080p or 4K, or a size \
         such as 640x360, with an optional rate as in 720p@2.5M",
        "[profile.value] 1.toml:16: `video_codecs` must be a list, as in [\"…\"], not a text",
        "[request.crf] 1.toml:20: av1 has no constant rate factor 99: ask for 1 to 63",
        "[request.codec_packaging] 1.toml:19: ts carries none of the codecs asked for: add h264, or leave it out",
        "[request.codec_packaging] 1.toml:18: av1 does not fit in ts: add cmaf, or ask for another codec",
        "[profile.value] 2.json:3: `version` must be a whole number from 0 to 4294967295",
        "[profile.value] 2.json:3: a profile needs a `version` from 1",
        "[profile.syntax] 2.json:5: `copy` is there twice: keep one",
        "[profile.value] 2.json:4: `copy` must be true or false, not a number",
        "[profile.syntax] 3.json:2: EOF while parsing an object",
    ];
    assert_eq!(found[..expected.len()].join("\n"), expected.join("\n"));
    assert!(found[expected.len()].starts_with("[profile.syntax] 4.toml:1: "), "{found:#?}");
    assert_eq!(
        found.last().unwrap(),
        "[profile.duplicate] 5.toml:1: there is a profile web-vod@1 already: give it another version"
    );
}

#[test]
fn a_directory_that_is_not_there_is_told() {
    let problems = Profiles::load(Some(Path::new("/nowhere/profiles"))).unwrap_err();
    assert_eq!(problems[0].code, "profile.unreadable");
}
