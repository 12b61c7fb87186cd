//! Tracks as one file each, out of the segments that are stored: nothing is encoded again, and segments are read back
//! through the sink one at a time. A file is made in the scratch directory and then put, so it appears whole. What it
//! replaces is removed once the output is ready and that is saved: until then another attempt may need it.

use super::Context;
use super::progressive::{init, read};
use super::track::{Lane, path};
use super::transfers::put;
use crate::model::ledger::{Ledger, SingleFile, StoredFile, TrackRecord};
use crate::model::{Packaging, Problem};
use crate::package::{init_name, single, suffix};
use crate::publish::disk::{make_directory, refused};
use crate::publish::sink::{Body, Kind};
use bytes::Bytes;
use std::path::Path;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// Makes a file of each track in each packaging, and has the ledger say so. Gives the paths that nothing names any more.
///
/// # Errors
/// `output.single_file` when a track cannot be indexed, `output.*`.
pub(super) async fn make(context: &Context, ledger: &mut Ledger, lanes: &[Lane]) -> Result<Vec<String>, Problem> {
    make_directory(&context.scratch)?;
    let mut replaced = Vec::new();
    for (track, lane) in ledger.tracks.iter_mut().zip(lanes) {
        // Files of text have no index; players read them one by one.
        for packaging in lane.packagings().iter().filter(|_| !lane.is_plain()) {
            let file = Planned::new(track, *packaging, lane.init_bytes());
            file.write(context).await?;
            let (file, names) = (file.file, file.names);
            replaced.extend(names.into_iter().map(|name| path(*packaging, &track.id, &name)));
            enter(track, file);
        }
    }
    Ok(replaced)
}

/// Has a track's record say that its segments lie in a file.
fn enter(track: &mut TrackRecord, file: SingleFile) {
    let mut at = file.init_bytes + file.index_bytes;
    let of = |stored: &&mut StoredFile| stored.packaging == file.packaging;
    for stored in track.segments.iter_mut().filter_map(|segment| segment.files.iter_mut().find(of)) {
        stored.name.clone_from(&file.name);
        stored.at = Some(at);
        at += stored.bytes;
    }
    track.single.push(file);
}

/// A file that is to be.
struct Planned<'a> {
    track: &'a TrackRecord,
    file: SingleFile,
    segments: Vec<&'a StoredFile>,
    /// What it is made of, by name.
    names: Vec<String>,
}

impl<'a> Planned<'a> {
    fn new(track: &'a TrackRecord, packaging: Packaging, init_bytes: u64) -> Self {
        let segments: Vec<_> = track.segments.iter().filter_map(|segment| segment.file(packaging)).collect();
        let in_cmaf = packaging == Packaging::Cmaf;
        let file = SingleFile {
            packaging,
            name: single::name(packaging, &suffix(track.generation)),
            init_bytes: if in_cmaf { init_bytes } else { 0 },
            index_bytes: if in_cmaf { single::index_bytes(segments.len()) } else { 0 },
        };
        let init = in_cmaf.then(|| init_name(track.generation));
        let names = init.into_iter().chain(segments.iter().map(|segment| segment.name.clone())).collect();
        Self { track, file, segments, names }
    }

    fn path(&self) -> String {
        path(self.file.packaging, &self.track.id, &self.file.name)
    }

    fn bytes(&self) -> u64 {
        let media: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        self.file.init_bytes + self.file.index_bytes + media
    }

    async fn write(&self, context: &Context) -> Result<(), Problem> {
        let local = context.scratch.join(format!("{}-{}", self.track.id, self.file.name));
        let failed = |error| refused(&local, &error);
        let mut out = File::create(&local).await.map_err(failed)?;
        for bytes in self.head(context).await? {
            out.write_all(&bytes).await.map_err(failed)?;
        }
        for segment in &self.segments {
            let body = read(context, self.file.packaging, self.track, &segment.name, segment.bytes).await?;
            out.write_all(&body).await.map_err(failed)?;
        }
        out.flush().await.map_err(failed)?;
        drop(out);
        self.put(context, &local).await?;
        tokio::fs::remove_file(&local).await.map_err(failed)
    }

    /// What stands before the segments.
    async fn head(&self, context: &Context) -> Result<Vec<Bytes>, Problem> {
        if self.file.packaging != Packaging::Cmaf {
            return Ok(Vec::new());
        }
        let init = init(context, self.track).await?;
        let index = single::index(&init, self.track).filter(|_| init.len() as u64 == self.file.init_bytes);
        let index = index.ok_or_else(|| {
            let message =
                format!("{} is too long to be one file with an index; leave `single_file` out", self.track.id);
            Problem::input("output.single_file", message)
        })?;
        Ok(vec![init, index.into()])
    }

    async fn put(&self, context: &Context, local: &Path) -> Result<(), Problem> {
        let body = Body::File { path: local.to_owned(), bytes: self.bytes(), link: true };
        put(context, &self.path(), body, Kind::File).await
    }
}
