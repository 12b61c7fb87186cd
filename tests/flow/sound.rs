//! Chosen tracks of sound, and what players are told of them: read back from manifests and heard in the samples.

use crate::tools::{ffmpeg, ffprobe, joined, reelmill, segments, transcode};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pictures and three tones: English at 300 Hz, German at 1000 Hz, and one of no language at 3000 Hz.
fn tones(dir: &Path) -> PathBuf {
    let path = dir.join("tones.mkv");
    let tone = |frequency: u32| format!("sine=frequency={frequency}:sample_rate=48000:duration=3");
    let (a, b, c) = (tone(300), tone(1000), tone(3000));
    let inputs = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=3", "-f", "lavfi", "-i", &a];
    let more = ["-f", "lavfi", "-i", &b, "-f", "lavfi", "-i", &c];
    let maps = ["-map", "0", "-map", "1", "-map", "2", "-map", "3", "-c:v", "libx264", "-c:a", "flac"];
    let said = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-disposition:a:0", "default"];
    ffmpeg(&[&inputs[..], &more, &maps, &said, &[path.to_str().unwrap()]].concat());
    path
}

/// The frequency of a track's tone, by the times that its samples cross zero upwards in the second second.
pub(crate) fn frequency(track: &Path, scratch: &Path) -> i64 {
    let (whole, raw) = (scratch.join("whole.mp4"), scratch.join("raw.s16"));
    joined(track, &whole);
    let cut = ["-ss", "1", "-t", "1", "-ac", "1", "-ar", "48000", "-f", "s16le"];
    ffmpeg(&[&["-i", whole.to_str().unwrap()][..], &cut, &[raw.to_str().unwrap()]].concat());
    let bytes = fs::read(raw).unwrap();
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    assert_eq!(samples.len(), 48_000);
    samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count() as i64
}

#[test]
fn chosen_tracks_are_there_in_order_with_what_is_said_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (tones(dir.path()), dir.path().join("out"));
    let choices = ["--audio-track", "3:lang=fra:title=Français:descriptive=yes", "--audio-track", "deu:default"];
    transcode(&source, &out, &[&["--renditions", "180p"][..], &choices].concat());
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    let sound: Vec<&str> = master.lines().filter(|line| line.starts_with("#EXT-X-MEDIA:TYPE=AUDIO")).collect();
    assert_eq!(sound.len(), 2, "{master}");
    for words in ["LANGUAGE=\"fr\"", "NAME=\"Français\"", "DEFAULT=NO", "public.accessibility.describes-video"] {
        assert!(sound[0].contains(words), "{master}");
    }
    for words in ["LANGUAGE=\"de\"", "DEFAULT=YES"] {
        assert!(sound[1].contains(words), "{master}");
    }
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    let at = |words: &str| mpd.find(words).unwrap_or_else(|| panic!("{words}: {mpd}"));
    assert!(at("lang=\"fr\"") < at("lang=\"de\""), "{mpd}");
    assert!(mpd.contains("<Label>Français</Label>") && !mpd.contains("lang=\"en\""), "{mpd}");
    for (id, expected) in [("audio-1", 3000), ("audio-2", 1000)] {
        let heard = frequency(&out.join("cmaf").join(id), dir.path());
        assert!((heard - expected).abs() <= 5, "{id}: {heard} Hz");
    }
}

#[test]
fn a_track_that_is_not_there_is_refused_with_those_that_are() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (tones(dir.path()), dir.path().join("out"));
    let ran = reelmill().arg("transcode").arg(&source).arg(&out).args(["--audio-track", "ita"]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!ran.status.success() && said.contains("1 (eng), 2 (deu), 3"), "{said}");
}

/// Whether a file has these bytes in it.
fn holds(file: &Path, bytes: &[u8]) -> bool {
    fs::read(file).unwrap().windows(bytes.len()).any(|window| window == bytes)
}

#[test]
fn roles_come_from_the_source_or_as_told_and_languages_stand_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let (source, marked) = (tones(dir.path()), dir.path().join("marked.mkv"));
    let (from, to) = (source.to_str().unwrap(), marked.to_str().unwrap());
    let said = ["-disposition:a:1", "comment", "-disposition:a:2", "hearing_impaired"];
    ffmpeg(&[&["-i", from, "-map", "0", "-c", "copy"][..], &said, &[to]].concat());
    let out = dir.path().join("out");
    let tracks = ["--audio-track", "eng", "--audio-track", "deu", "--audio-track", "3:lang=de-AT:role=dub"];
    transcode(&marked, &out, &[&["--renditions", "180p", "--mp4"][..], &tracks].concat());
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    let sound: Vec<&str> = master.lines().filter(|line| line.starts_with("#EXT-X-MEDIA:TYPE=AUDIO")).collect();
    assert!(sound[0].contains("DEFAULT=YES") && !sound[0].contains("CHARACTERISTICS"), "{master}");
    assert!(sound[1].contains("AUTOSELECT=NO,CHARACTERISTICS=\"public.auxiliary-content\""), "{master}");
    assert!(sound[2].contains("CHARACTERISTICS=\"public.translation.dubbed\""), "{master}");
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    for role in ["main", "commentary", "dub"] {
        let role = format!("<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"{role}\"/>");
        assert!(mpd.contains(&role), "{role}: {mpd}");
    }
    for (track, language) in [(1, "eng"), (2, "deu"), (3, "deu")] {
        let init = out.join(format!("cmaf/audio-{track}/init.mp4"));
        assert_eq!(ffprobe(&init, "stream_tags=language"), [language], "audio-{track}");
        let told = holds(&init, b"elng\0\0\0\0de-AT\0");
        assert_eq!(
            (told, holds(&init, b"elng")),
            (track == 3, track == 3),
            "only where three letters do not say it all"
        );
        // An ISO_639_language_descriptor, in the map of each segment.
        let descriptor = [b"\x0a\x04", language.as_bytes(), b"\0"].concat();
        for segment in segments(&out.join(format!("ts/audio-{track}/media.m3u8"))) {
            assert!(holds(&segment, &descriptor), "{}", segment.display());
            let heard = ffprobe(&segment, "stream=codec_name:stream_tags=language");
            assert!(heard.contains(&format!("aac,{language}")), "{heard:?}");
        }
    }
    let file = ffprobe(&out.join("mp4/180p.mp4"), "stream=codec_type:stream_tags=language");
    assert!(file.contains(&"audio,eng".to_owned()), "{file:?}");
    let marked = reelmill().arg("probe").arg(&marked).arg("--json").output().unwrap();
    let told = String::from_utf8_lossy(&marked.stdout).into_owned();
    assert!(told.contains("\"commentary\"") && told.contains("\"enhanced_speech\""), "{told}");
}

#[test]
fn sound_alone_becomes_a_file_that_players_of_music_know() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("song.flac");
    ffmpeg(&["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=5", source.to_str().unwrap()]);
    let out = dir.path().join("out");
    let report = transcode(&source, &out, &["--mp4", "--audio-codec", "aac,mp3", "--segment", "2s"]);
    let paths: Vec<&str> =
        report["progressive"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["mp4/audio-1-aac.m4a", "mp4/audio-1-mp3.mp4"]);
    for (path, codec) in [("mp4/audio-1-aac.m4a", "aac"), ("mp4/audio-1-mp3.mp4", "mp3")] {
        let file = out.join(path);
        assert_eq!(ffprobe(&file, "stream=codec_name"), [codec]);
        let length: f64 = ffprobe(&file, "format=duration")[0].parse().unwrap();
        assert!((length - 5.0).abs() < 0.03, "{path}: {length}");
        ffmpeg(&["-xerror", "-i", file.to_str().unwrap(), "-f", "null", "-"]);
    }
    assert_eq!(&fs::read(out.join(paths[0])).unwrap()[4..12], b"ftypM4A ");
}

/// Integrated loudness as FFmpeg measures it, LUFS.
fn loudness(file: &Path) -> f64 {
    let measure = ["-af", "ebur128", "-f", "null", "-"];
    let ran = Command::new("ffmpeg").args(["-nostdin", "-hide_banner", "-i"]).arg(file).args(measure).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    let summary = said.rsplit_once("Integrated loudness:").unwrap_or_else(|| panic!("{said}")).1;
    summary.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn sound_is_as_loud_as_asked_and_as_long_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("quiet.mkv");
    let quiet = "sine=frequency=440:sample_rate=44100:duration=12,volume=-12dB,aformat=channel_layouts=stereo";
    ffmpeg(&["-f", "lavfi", "-i", quiet, "-c:a", "flac", source.to_str().unwrap()]);
    let made = |name: &str, options: &[&str]| {
        let out = dir.path().join(name);
        transcode(&source, &out, options);
        joined(&out.join("cmaf/audio-1"), &dir.path().join(format!("{name}.mp4")))
    };
    let (plain, loud) = (made("plain", &[]), made("loud", &["--loudness", "-16"]));
    let (before, after) = (loudness(&plain), loudness(&loud));
    assert!((before + 16.0).abs() > 5.0, "{before}");
    assert!((after + 16.0).abs() < 1.0, "{after}");
    assert!(
        (loudness(&made("broadcast", &["--loudness", "-23", "--append", source.to_str().unwrap()])) + 23.0).abs() < 1.0
    );
    let samples = |file: &Path| ffprobe(file, "stream=sample_rate,duration_ts");
    assert_eq!(samples(&plain), samples(&loud));
}

/// The sound of a track in the middle of its seconds, over that of its source: what each second was turned up by.
fn turned_up(source: &Path, made: &Path, scratch: &Path) -> Vec<f64> {
    let levels = |file: &Path, name: &str| {
        let raw = scratch.join(name);
        ffmpeg(&["-i", file.to_str().unwrap(), "-ac", "1", "-ar", "48000", "-f", "f32le", raw.to_str().unwrap()]);
        let bytes = fs::read(raw).unwrap();
        let samples: Vec<f64> =
            bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect();
        let level = |second: &[f64]| {
            (second[12_000..36_000].iter().map(|sample| sample * sample).sum::<f64>() / 24_000.0).sqrt()
        };
        samples.chunks_exact(48_000).map(level).collect::<Vec<f64>>()
    };
    let (before, after) = (levels(source, "before.f32"), levels(made, "after.f32"));
    assert_eq!(before.len(), after.len());
    before.iter().zip(after).map(|(before, after)| after / before).collect()
}

#[test]
fn two_passes_hit_the_mark_and_keep_the_dynamics() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("speech.mkv");
    // Loud and quiet by turns, 12 dB apart.
    let swings = "0.2*sin(2*PI*440*t)*if(lt(mod(t\\,4)\\,2)\\,1\\,0.25)";
    let sound = format!("aevalsrc={swings}|{swings}:c=stereo:s=48000:d=16");
    ffmpeg(&["-f", "lavfi", "-i", &sound, "-c:a", "flac", source.to_str().unwrap()]);
    for (name, target) in [("quieter", -31.0), ("louder", -16.0)] {
        let out = dir.path().join(name);
        let asked = format!("{target}");
        let report = transcode(&source, &out, &["--loudness", &asked, "--loudness-passes", "2"]);
        let made = joined(&out.join("cmaf/audio-1"), &dir.path().join(format!("{name}.mp4")));
        let found = loudness(&made);
        assert!((found - target).abs() <= 0.5, "{name}: {found}");
        let gains = turned_up(&source, &made, dir.path());
        let (least, most) =
            gains.iter().fold((f64::MAX, 0.0_f64), |(least, most), gain| (least.min(*gain), most.max(*gain)));
        assert!(most / least < 1.02, "{name}: one gain for all of it, not {gains:?}");
        let told = &report["tracks"][0]["loudness"];
        let hundredths =
            |when: &str, what: &str| told[when][what].as_f64().unwrap_or_else(|| panic!("{report}")) / 100.0;
        assert!((hundredths("before", "integrated") - loudness(&source)).abs() <= 0.1, "{told}");
        assert!((hundredths("after", "integrated") - found).abs() <= 0.2, "{told}");
        let gain = hundredths("after", "true_peak") - hundredths("before", "true_peak");
        assert!((gain - (found - loudness(&source))).abs() <= 0.2, "{told}");
    }
}

#[test]
fn peaks_that_the_gain_takes_too_high_are_limited_and_samples_stay_where_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("peaks.wav");
    // A quiet tone with a click each second, which the gain would take far over full scale; not a whole number of the steps of
    // 100 ms in which loudness is measured.
    let sound = "aevalsrc=0.02*sin(2*PI*440*t)+0.5*eq(mod(n\\,48000)\\,24000):s=48000:d=10.05";
    ffmpeg(&["-f", "lavfi", "-i", sound, "-c:a", "pcm_s24le", source.to_str().unwrap()]);
    let out = dir.path().join("out");
    let asked = ["--loudness", "-18", "--loudness-passes", "2", "--true-peak", "-3"];
    let report = transcode(&source, &out, &asked);
    let after = report["tracks"][0]["loudness"]["after"]["true_peak"].as_f64().unwrap() / 100.0;
    assert!((-4.0..=-2.7).contains(&after), "{after} dBTP");
    let made = joined(&out.join("cmaf/audio-1"), &dir.path().join("peaks.mp4"));
    let raw = dir.path().join("peaks.f32");
    let timed = ["-af", "aresample=async=1:first_pts=0", "-f", "f32le", raw.to_str().unwrap()];
    ffmpeg(&[&["-copyts", "-i", made.to_str().unwrap()][..], &timed].concat());
    let bytes = fs::read(raw).unwrap();
    let samples: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert!((482_400..484_448).contains(&samples.len()), "{}", samples.len());
    for second in 0..10 {
        let all = second * 48_000..(second + 1) * 48_000;
        let loudest = all.max_by(|a, b| samples[*a].abs().total_cmp(&samples[*b].abs())).unwrap();
        assert_eq!(loudest, second * 48_000 + 24_000, "second {second}");
    }
}

/// The loudness of left and right in the middle of each second of a track, over that of the tone in its source.
fn gains(track: &Path, scratch: &Path, seconds: usize) -> Vec<[f64; 2]> {
    let (whole, raw) = (scratch.join("mixed.mp4"), scratch.join("mixed.f32"));
    joined(track, &whole);
    ffmpeg(&["-i", whole.to_str().unwrap(), "-ar", "48000", "-f", "f32le", raw.to_str().unwrap()]);
    let bytes = fs::read(raw).unwrap();
    let number = |bytes: &[u8]| f64::from(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let samples: Vec<[f64; 2]> = bytes.chunks_exact(8).map(|pair| [number(&pair[..4]), number(&pair[4..])]).collect();
    let middle = |second: usize| &samples[second * 48_000 + 12_000..second * 48_000 + 36_000];
    let gain = |second: usize, side: usize| {
        let power: f64 = middle(second).iter().map(|pair| pair[side] * pair[side]).sum::<f64>() / 24_000.0;
        (power * 2.0).sqrt() / 0.25
    };
    (0..seconds).map(|second| [gain(second, 0), gain(second, 1)]).collect()
}

#[test]
fn surround_is_mixed_down_by_the_matrix_that_is_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let half = std::f64::consts::FRAC_1_SQRT_2;
    // Front left and right, centre, low frequencies, back left and right, side left and right.
    let all = [[1.0, 0.0], [0.0, 1.0], [half, half], [0.0, 0.0], [half, 0.0], [0.0, half], [half, 0.0], [0.0, half]];
    for (layout, channels) in [("5.1", 6), ("7.1", 8)] {
        let tone = |c: usize| format!("0.25*sin(2*PI*500*t)*gte(t\\,{c})*lt(t\\,{})", c + 1);
        let tones: Vec<String> = (0..channels).map(tone).collect();
        let source = dir.path().join(format!("{layout}.wav"));
        let sound = format!("aevalsrc={}:c={layout}:s=48000:d={channels}", tones.join("|"));
        ffmpeg(&["-f", "lavfi", "-i", &sound, "-c:a", "pcm_s24le", source.to_str().unwrap()]);
        let out = dir.path().join(format!("out-{layout}"));
        transcode(&source, &out, &[]);
        let heard = gains(&out.join("cmaf/audio-1"), dir.path(), channels);
        for (c, (heard, expected)) in heard.iter().zip(all).enumerate() {
            let near = heard.iter().zip(expected).all(|(heard, expected)| (heard - expected).abs() < 0.02);
            assert!(near, "{layout} channel {c}: {heard:?}, not {expected:?}");
        }
    }
}
