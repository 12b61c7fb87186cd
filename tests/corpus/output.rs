//! An output directory as its playlists describe it, compared with the files that lie there. Times in microseconds.

use crate::Check;
use m3u8_rs::{AlternativeMediaType, MasterPlaylist, MediaPlaylist};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One packaging of an output.
#[derive(Debug)]
pub(crate) struct Package {
    /// `cmaf` or `ts`.
    pub(crate) name: &'static str,
    /// Video and audio tracks, in the order of the master playlist.
    pub(crate) tracks: Vec<Track>,
}

/// One track of a packaging.
#[derive(Debug)]
pub(crate) struct Track {
    /// Its id, which is its directory.
    pub(crate) id: String,
    /// Where it lies.
    pub(crate) directory: PathBuf,
    /// Initialisation section.
    pub(crate) init: Option<PathBuf>,
    /// Segment files and their durations.
    pub(crate) segments: Vec<(PathBuf, i64)>,
}

/// Text, whose segments are all there and none else: for HLS as the master names it, for DASH as the MPD does.
fn texts(master: &MasterPlaylist, directory: &Path) -> Check<BTreeSet<String>> {
    let mut listed = BTreeSet::new();
    let subtitles = master.alternatives.iter().filter(|m| m.media_type == AlternativeMediaType::Subtitles);
    for uri in subtitles.filter_map(|media| media.uri.as_deref()) {
        let (id, _) = uri.split_once('/').ok_or_else(|| format!("{uri} is in no directory"))?;
        let playlist = media(&directory.join(uri))?;
        for segment in &playlist.segments {
            let text = fs::read_to_string(directory.join(id).join(&segment.uri)).map_err(|e| format!("{uri}: {e}"))?;
            if !text.starts_with("WEBVTT") {
                return Err(format!("{id}/{} is no WebVTT", segment.uri));
            }
        }
        listed.insert(id.to_owned());
        let wvtt = format!("{id}-wvtt");
        let mpd = fs::read_to_string(directory.join("manifest.mpd")).unwrap_or_default();
        if mpd.contains(&format!("Representation id=\"{wvtt}\"")) {
            listed.insert(wvtt);
        }
    }
    Ok(listed)
}

impl Package {
    /// Reads and checks one packaging.
    pub(crate) fn read(root: &Path, name: &'static str) -> Check<Self> {
        let directory = root.join(name);
        let master = master(&directory.join("master.m3u8"))?;
        let mut tracks: Vec<Track> = Vec::new();
        let variants = master.variants.iter().filter(|variant| !variant.is_i_frame).map(|variant| variant.uri.clone());
        let sounds = master.alternatives.iter().filter(|m| m.media_type == AlternativeMediaType::Audio);
        for uri in variants.chain(sounds.filter_map(|media| media.uri.clone())) {
            let known = tracks.iter().any(|track| uri.starts_with(&format!("{}/", track.id)));
            if !known {
                tracks.push(Track::read(&directory, &uri, name)?);
            }
        }
        let mut listed: BTreeSet<String> = tracks.iter().map(|track| track.id.clone()).collect();
        listed.extend(texts(&master, &directory)?);
        let present: BTreeSet<String> = names(&directory)?.into_iter().filter(|n| directory.join(n).is_dir()).collect();
        if listed != present {
            return Err(format!("{name}: the master names the tracks {listed:?}, there are {present:?}"));
        }
        let package = Self { name, tracks };
        package.check_alignment()?;
        package.check_i_frames(&master)?;
        Ok(package)
    }

    /// The rungs.
    pub(crate) fn videos(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.is_video())
    }

    /// The audio renditions, by number.
    pub(crate) fn audios(&self) -> Vec<&Track> {
        let mut tracks: Vec<&Track> = self.tracks.iter().filter(|track| !track.is_video()).collect();
        tracks.sort_by_key(|track| track.id.split('-').nth(1).and_then(|n| n.parse::<u32>().ok()));
        tracks
    }

    /// All rungs have the same segments: a player can switch anywhere.
    fn check_alignment(&self) -> Check {
        let mut rungs = self.videos();
        let Some(first) = rungs.next() else { return Ok(()) };
        for rung in rungs {
            let same = rung.segments.len() == first.segments.len()
                && rung.segments.iter().zip(&first.segments).all(|(a, b)| (a.1 - b.1).abs() <= 1_500);
            if !same {
                let durations = |t: &Track| t.segments.iter().map(|s| s.1).collect::<Vec<_>>();
                return Err(format!(
                    "{}: segments of {} {:?} and {} {:?} are not aligned",
                    self.name,
                    first.id,
                    durations(first),
                    rung.id,
                    durations(rung)
                ));
            }
        }
        Ok(())
    }

    /// Each rung has an I-frame playlist whose byte ranges lie in its files (RFC 8216 §4.3.4.3).
    fn check_i_frames(&self, master: &MasterPlaylist) -> Check {
        for rung in self.videos() {
            let uri = format!("{}/iframes.m3u8", rung.id);
            if !master.variants.iter().any(|variant| variant.is_i_frame && variant.uri == uri) {
                return Err(format!("{}: the master does not name {uri}", self.name));
            }
            let playlist = media(&rung.directory.join("iframes.m3u8"))?;
            if !playlist.i_frames_only || playlist.segments.len() < rung.segments.len() {
                return Err(format!("{uri}: fewer I-frames than segments, or not marked as I-frames only"));
            }
            let mut end = 0;
            for frame in &playlist.segments {
                let range = frame.byte_range.as_ref().ok_or_else(|| format!("{uri}: an I-frame without byte range"))?;
                end = range.offset.unwrap_or(end) + range.length;
                let size = fs::metadata(rung.directory.join(&frame.uri))
                    .map_err(|e| format!("{uri}: {}: {e}", frame.uri))?
                    .len();
                if range.length == 0 || end > size {
                    return Err(format!("{uri}: bytes up to {end} of {} which has {size}", frame.uri));
                }
            }
        }
        Ok(())
    }
}

impl Track {
    fn read(package: &Path, uri: &str, name: &str) -> Check<Self> {
        let playlist_path = package.join(uri);
        let playlist = media(&playlist_path)?;
        let id =
            uri.strip_suffix("/media.m3u8").ok_or_else(|| format!("{name}: {uri} is not TRACK/media.m3u8"))?.to_owned();
        let directory = package.join(&id);
        if !playlist.end_list {
            return Err(format!("{uri}: no EXT-X-ENDLIST in a finished output"));
        }
        let map = playlist.segments.first().and_then(|segment| segment.map.as_ref());
        let init = map.map(|map| directory.join(&map.uri));
        if init.is_some() != (name == "cmaf") {
            return Err(format!("{uri}: EXT-X-MAP belongs to CMAF and only there"));
        }
        let mut segments = Vec::new();
        for segment in &playlist.segments {
            let micros = (f64::from(segment.duration) * 1e6).round() as i64;
            if micros <= 0 || segment.discontinuity {
                return Err(format!("{uri}: {} lasts {micros} us or follows a discontinuity", segment.uri));
            }
            // RFC 8216 §4.3.3.1: rounded to the nearest integer, no segment is longer than the target.
            if (micros + 500_000) / 1_000_000 > playlist.target_duration as i64 {
                return Err(format!(
                    "{uri}: {} is longer than the target of {} s",
                    segment.uri, playlist.target_duration
                ));
            }
            segments.push((directory.join(&segment.uri), micros));
        }
        let track = Self { id, directory, init, segments };
        track.check_files()?;
        Ok(track)
    }

    /// Whether this is a rung.
    pub(crate) fn is_video(&self) -> bool {
        !self.id.starts_with("audio-")
    }

    /// The sum of the segments' durations.
    pub(crate) fn length(&self) -> i64 {
        self.segments.iter().map(|segment| segment.1).sum()
    }

    /// Every file that is named exists and has bytes, and no other media file lies there.
    fn check_files(&self) -> Check {
        let mut named = BTreeSet::new();
        for file in self.segments.iter().map(|segment| &segment.0).chain(&self.init) {
            let size = fs::metadata(file).map_err(|e| format!("{}: {e}", file.display()))?.len();
            if size == 0 {
                return Err(format!("{} is empty", file.display()));
            }
            named.extend(file.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        if self.segments.is_empty() || named.len() != self.segments.len() + usize::from(self.init.is_some()) {
            return Err(format!("{}: no segments, or one file named twice", self.id));
        }
        let lying: BTreeSet<String> = names(&self.directory)?.into_iter().filter(|n| !n.ends_with(".m3u8")).collect();
        match lying == named {
            true => Ok(()),
            false => Err(format!("{}: the playlist names {named:?}, there are {lying:?}", self.id)),
        }
    }

    /// The whole track as one file, and where in it each segment starts.
    pub(crate) fn join(&self, to: &Path) -> Check<Vec<u64>> {
        let mut bytes = Vec::new();
        let read = |path: &Path| fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
        if let Some(init) = &self.init {
            bytes.extend(read(init)?);
        }
        let mut starts = Vec::new();
        for (path, _) in &self.segments {
            starts.push(bytes.len() as u64);
            bytes.extend(read(path)?);
        }
        fs::write(to, bytes).map_err(|e| format!("{}: {e}", to.display()))?;
        Ok(starts)
    }
}

/// Names in a directory.
pub(crate) fn names(directory: &Path) -> Check<Vec<String>> {
    let failed = |e: std::io::Error| format!("{}: {e}", directory.display());
    let entries = fs::read_dir(directory).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    Ok(entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

fn master(path: &Path) -> Check<MasterPlaylist> {
    let text = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    m3u8_rs::parse_master_playlist_res(&text).map_err(|e| format!("{}: {e}", path.display()))
}

fn media(path: &Path) -> Check<MediaPlaylist> {
    let text = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    m3u8_rs::parse_media_playlist_res(&text).map_err(|e| format!("{}: {e}", path.display()))
}
