//! Sources made with FFmpeg, and finished outputs looked at with its tools.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How long a heavy clip is; and the part of it that a test lets a job have that is to stand still in the middle. A probe
/// wants 12 s.
pub(crate) const HEAVY_SECONDS: usize = 20;
pub(crate) const HALF: u64 = 68;
/// Pictures a second of every clip.
pub(crate) const RATE: usize = 25;

/// Makes a clip of moving pictures, 320x180, and a tone; key frames every 2 s.
pub(crate) fn clip(path: &Path, seconds: usize) {
    let picture = format!("testsrc2=size=320x180:rate={RATE}:duration={seconds}");
    let sound = format!("sine=frequency=440:beep_factor=4:duration={seconds}");
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound];
    let end = ["-movflags", "+faststart", path.to_str().unwrap()];
    ffmpeg(&[&inputs[..], &codecs, &end].concat());
}

/// Makes a clip whose every picture is a key frame, of about a MiB a second: a job that reads it comes no further than it
/// is given bytes.
pub(crate) fn heavy_clip(path: &Path) {
    let seconds = HEAVY_SECONDS;
    let picture = format!("testsrc2=size=320x180:rate={RATE}:duration={seconds},noise=alls=40:allf=t");
    let sound = format!("sine=frequency=440:duration={seconds}");
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "1", "-qp", "26", "-pix_fmt", "yuv420p"];
    let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound];
    let end = ["-c:a", "aac", "-movflags", "+faststart", path.to_str().unwrap()];
    ffmpeg(&[&inputs[..], &codecs, &end].concat());
}

/// Makes a tone alone.
pub(crate) fn tone(path: &Path, seconds: usize) {
    let sound = format!("sine=frequency=880:duration={seconds}");
    ffmpeg(&["-f", "lavfi", "-i", &sound, "-c:a", "aac", path.to_str().unwrap()]);
}

/// Runs FFmpeg and expects success without a word; gives what it printed.
pub(crate) fn ffmpeg(arguments: &[&str]) -> String {
    let ran = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.trim().is_empty(), "ffmpeg {arguments:?}: {said}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// Values that ffprobe prints of a file, a line each.
pub(crate) fn ffprobe(path: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("ffprobe");
    let ran = command.args(["-v", "error", "-of", "csv=p=0"]).args(arguments).arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.trim().is_empty(), "ffprobe {}: {said}", path.display());
    let text = String::from_utf8_lossy(&ran.stdout);
    text.lines().map(|line| line.trim_end_matches(',').to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Pictures of a file or playlist, decoded.
pub(crate) fn frames(path: &Path) -> usize {
    let entries = ["-select_streams", "v:0", "-count_frames", "-show_entries", "stream=nb_read_frames"];
    ffprobe(path, &entries).iter().filter_map(|line| line.parse::<usize>().ok()).next_back().unwrap()
}

/// The files that a media playlist names, in order.
pub(crate) fn named(playlist: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(playlist).unwrap_or_else(|error| panic!("{}: {error}", playlist.display()));
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|l| playlist.with_file_name(l)).collect()
}

/// Checks a finished output of `seconds`, with segments of a second: every track has every segment, manifests name only
/// what is there, every rung has every picture, and nothing of our own lies about. `rungs` as in `180p`.
pub(crate) fn check_whole(out: &Path, rungs: &[&str], packagings: &[&str], seconds: usize) {
    assert!(!out.join(".reelmill").exists(), "the job's own files are left in {}", out.display());
    let report: serde_json::Value = serde_json::from_slice(&fs::read(out.join("reelmill.json")).unwrap()).unwrap();
    assert!(report["manifests"].as_array().is_some_and(|manifests| !manifests.is_empty()), "{report}");
    for packaging in packagings {
        let root = out.join(packaging);
        check_named(&root.join("master.m3u8"));
        for track in rungs.iter().copied().chain(["audio-1"]) {
            let playlist = root.join(track).join("media.m3u8");
            let segments = named(&playlist);
            assert_eq!(segments.len(), seconds, "{}", playlist.display());
            assert!(segments.iter().all(|segment| segment.is_file()), "{}", playlist.display());
            assert!(fs::read_to_string(&playlist).unwrap().contains("#EXT-X-ENDLIST"), "{}", playlist.display());
            assert_eq!(
                stored(&root.join(track)).len(),
                seconds,
                "{packaging}/{track} has other segments than it names"
            );
        }
        for rung in rungs {
            assert_eq!(frames(&root.join(rung).join("media.m3u8")), seconds * RATE, "{packaging}/{rung}");
        }
    }
}

/// Checks that each picture of a finished rendition is that of the source: by SSIM, which is about 0.9 for what the fastest
/// encoders make of a test pattern, and far below for a picture that is negated or of another instant.
pub(crate) fn check_pictures(out: &Path, source: &Path, rung: &str) {
    let playlist = out.join("ts").join(rung).join("media.m3u8");
    let size = ffprobe(&playlist, &["-select_streams", "v:0", "-show_entries", "stream=width,height"]);
    let size = size.last().unwrap().replace(',', ":");
    let graph = format!("[1:v]scale={size}[s];[0:v][s]ssim=stats_file=-:shortest=1");
    let (made, from) = (playlist.to_str().unwrap(), source.to_str().unwrap());
    let told = ffmpeg(&["-i", made, "-i", from, "-lavfi", &graph, "-f", "null", "-"]);
    let each: Vec<f64> =
        told.lines().filter_map(|line| line.split("All:").nth(1)?.split(' ').next()?.parse().ok()).collect();
    assert_eq!(each.len(), frames(&playlist), "{rung}: {told}");
    assert!(each.iter().all(|ssim| *ssim > 0.7), "{rung}: {told}");
}

/// Checks that what a playlist names is there, down to the segments.
pub(crate) fn check_named(playlist: &Path) {
    for file in named(playlist) {
        assert!(file.is_file(), "{} names {}, which is not there", playlist.display(), file.display());
        if file.extension().is_some_and(|ending| ending == "m3u8") {
            check_named(&file);
        }
    }
}

/// The segments in a track's directory.
pub(crate) fn stored(track: &Path) -> Vec<PathBuf> {
    let is_segment =
        |path: &PathBuf| path.extension().is_some_and(|ending| ["m4s", "ts", "jpg"].iter().any(|one| ending == *one));
    let entries = fs::read_dir(track).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = entries.filter(is_segment).collect();
    found.sort();
    found
}

/// Which file each segment below a directory is: its number in the file system and when it was written. One that was made
/// again differs.
pub(crate) fn identities(out: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let is_segment =
        |path: &PathBuf| path.extension().is_some_and(|ending| ["m4s", "ts", "jpg"].iter().any(|one| ending == *one));
    let all = crate::daemon::everything_below(out).into_iter().filter(is_segment);
    let identity = |path: PathBuf| {
        let seen = fs::metadata(&path).ok()?;
        Some((path, (seen.ino(), seen.mtime(), seen.mtime_nsec())))
    };
    all.filter_map(identity).collect()
}
