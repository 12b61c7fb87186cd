//! The MPD names the same files as the playlists, with the same durations (ISO/IEC 23009-1 §5.3.9).

use crate::Check;
use crate::output::Package;
use dash_mpd_core::{AdaptationSet, Representation, SegmentTemplate};
use std::collections::BTreeMap;
use std::path::Path;

/// Compares `manifest.mpd` with the tracks of the CMAF packaging.
pub(crate) fn check(root: &Path, cmaf: &Package) -> Check {
    let path = root.join("cmaf/manifest.mpd");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mpd = dash_mpd_core::parse(&text).map_err(|e| format!("manifest.mpd: {e}"))?;
    if mpd.mpdtype.as_deref().unwrap_or("static") != "static" {
        return Err("manifest.mpd: not static although the job is done".to_owned());
    }
    let [period] = mpd.periods.as_slice() else {
        return Err(format!("manifest.mpd: {} periods, one expected", mpd.periods.len()));
    };
    let mut found = BTreeMap::new();
    for set in &period.adaptations {
        for representation in &set.representations {
            let segments = expand(set, representation)?;
            // HLS has the same text in files of its own.
            if segments.0.starts_with("text-") {
                let files = segments.1.iter().map(|(name, _)| name).chain([&segments.0]);
                match files.into_iter().find(|name| !root.join("cmaf").join(name).is_file()) {
                    Some(name) => return Err(format!("manifest.mpd: {name} is not there")),
                    None => continue,
                }
            }
            if found.insert(segments.0.clone(), segments).is_some() {
                return Err("manifest.mpd: two representations have the same initialisation segment".to_owned());
            }
        }
    }
    let mut expected = BTreeMap::new();
    for track in &cmaf.tracks {
        let relative = |path: &Path| Some(format!("{}/{}", track.id, path.file_name()?.to_string_lossy()));
        let init =
            track.init.as_deref().and_then(relative).ok_or_else(|| format!("{} has no init segment", track.id))?;
        let segments: Vec<(String, i64)> =
            track.segments.iter().filter_map(|(path, micros)| Some((relative(path)?, *micros))).collect();
        expected.insert(init.clone(), (init, segments));
    }
    if !found.keys().eq(expected.keys()) {
        return Err(format!("manifest.mpd has {:?}, HLS has {:?}", found.keys(), expected.keys()));
    }
    for (init, (_, segments)) in &expected {
        let (_, in_mpd): &Listed = &found[init];
        let same = segments.len() == in_mpd.len()
            && segments.iter().zip(in_mpd).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() <= 1_500);
        if !same {
            return Err(format!("manifest.mpd lists {in_mpd:?}, the playlist {segments:?}"));
        }
    }
    let longest = cmaf.tracks.iter().map(crate::output::Track::length).max().unwrap_or(0);
    let declared = mpd.mediaPresentationDuration.map_or(0, |duration| duration.as_micros() as i64);
    match (declared - longest).abs() <= 50_000 {
        true => Ok(()),
        false => Err(format!("manifest.mpd declares {declared} us, the longest track lasts {longest} us")),
    }
}

/// Initialisation segment, and the media segments with their durations in microseconds.
type Listed = (String, Vec<(String, i64)>);

fn expand(set: &AdaptationSet, representation: &Representation) -> Check<Listed> {
    let id = representation.id.as_deref().ok_or("manifest.mpd: a representation without id")?;
    let outer = set.SegmentTemplate.as_ref();
    let inner = representation.SegmentTemplate.as_ref();
    let pick = |get: fn(&SegmentTemplate) -> Option<String>| inner.and_then(get).or(outer.and_then(get));
    let fill = |pattern: String| pattern.replace("$RepresentationID$", id);
    let init = pick(|t| t.initialization.clone()).map(fill).ok_or_else(|| format!("{id}: no initialization"))?;
    let media = pick(|t| t.media.clone()).map(fill).ok_or_else(|| format!("{id}: no media template"))?;
    let of = |t: Option<&SegmentTemplate>| t.and_then(|t| t.SegmentTimeline.clone());
    let timeline = of(inner).or(of(outer)).ok_or_else(|| format!("{id}: no SegmentTimeline"))?;
    let timescale = inner.and_then(|t| t.timescale).or(outer.and_then(|t| t.timescale)).unwrap_or(1).max(1);
    let mut time = 0;
    let mut segments = Vec::new();
    for run in &timeline.segments {
        time = run.t.unwrap_or(time);
        for _ in 0..=run.r.unwrap_or(0).max(0) {
            let micros = (u128::from(run.d) * 1_000_000 / u128::from(timescale)) as i64;
            segments.push((media.replace("$Time$", &time.to_string()), micros));
            time += run.d;
        }
    }
    Ok((init, segments))
}
