//! The single pictures of an output: stored as they come, in any order, and told at the end by an index beside them.

use super::Context;
use super::transfers::{Done, Job, put};
use crate::model::plan::{JobPlan, OutputPlan};
use crate::model::request::ImageFormat;
use crate::model::stills::{PictureRecord, PictureSet, PictureSummary, picture_name};
use crate::model::{Problem, job::FileRole, job::FileSummary};
use crate::package::sprites::{self, Sprites};
use crate::publish::Pictured;
use crate::publish::sink::{Body, Kind};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The sets of an output.
#[derive(Default)]
pub(super) struct Gallery(Vec<Set>);

/// What is known of a set.
struct Set {
    work: usize,
    directory: String,
    planned: PictureSet,
    /// Numbers of those that came in this attempt.
    came: BTreeSet<u32>,
    /// Those that are recorded.
    made: BTreeMap<u32, PictureRecord>,
}

/// The index that lies beside stills.
#[derive(Serialize)]
struct Index {
    /// What they are stored as.
    format: ImageFormat,
    /// In order.
    stills: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_us: Option<i64>,
    time_us: i64,
    width: u32,
    height: u32,
    bytes: u64,
    sha256: String,
}

impl Gallery {
    /// The sets of an output, of which nothing has come yet.
    pub(super) fn of(plan: &JobPlan, output: &OutputPlan) -> Result<Self, Problem> {
        let mut sets = Vec::with_capacity(output.pictures.len());
        for used in &output.pictures {
            let stills = plan.works.get(used.work).and_then(|work| work.plan.stills.as_ref());
            let planned = stills.and_then(|stills| stills.sets.iter().find(|set| set.id == used.set));
            let planned = planned.ok_or_else(|| {
                let message = format!("the plan has no pictures {} in work {}; report this", used.set, used.work);
                Problem::bug("internal.plan", message)
            })?;
            sets.push(Set {
                work: used.work,
                directory: used.directory.clone(),
                planned: planned.clone(),
                came: BTreeSet::new(),
                made: BTreeMap::new(),
            });
        }
        Ok(Self(sets))
    }

    /// Takes over what is recorded; true when it is of a set of this output.
    pub(super) fn recorded(&mut self, directory: &str, record: &PictureRecord) -> Option<PictureSummary> {
        let set = self.0.iter_mut().find(|set| set.directory == directory)?;
        set.made.insert(record.number, record.clone());
        Some(set.summary(record))
    }

    /// A picture has come: what stores it, unless it is there.
    pub(super) fn take(&mut self, context: &Arc<Context>, work: usize, picture: &Arc<Pictured>) -> Option<Job> {
        let set = self.0.iter_mut().find(|set| set.work == work && set.planned.id == picture.set())?;
        let number = picture.record().number;
        if set.made.contains_key(&number) || !set.came.insert(number) {
            return None;
        }
        let record = PictureRecord { name: picture_name(number, set.planned.format), ..picture.record().clone() };
        let (context, picture, track) = (Arc::clone(context), Arc::clone(picture), set.directory.clone());
        Some(Box::pin(async move {
            let path = format!("{track}/{}", record.name);
            put(&context, &path, picture.body(), Kind::Segment).await?;
            Ok(Done::Pictured { track, record: Box::new(record) })
        }))
    }

    /// Whether a set has nothing.
    pub(super) fn lacks_any(&self) -> bool {
        self.0.iter().any(|set| set.made.is_empty())
    }

    /// All pictures in order, set by set.
    pub(super) fn summaries(&self) -> Vec<PictureSummary> {
        self.0.iter().flat_map(|set| set.made.values().map(|record| set.summary(record))).collect()
    }

    /// The sheets, for manifests.
    pub(super) fn sprites(&self) -> Option<Sprites> {
        self.0.iter().find_map(Set::sprites)
    }

    /// Puts what lies beside the pictures, and gives it.
    ///
    /// # Errors
    /// `output.*`.
    pub(super) async fn finish(&self, context: &Context) -> Result<Vec<FileSummary>, Problem> {
        let mut files = Vec::new();
        for set in &self.0 {
            for (role, name, body) in set.beside() {
                let path = format!("{}/{name}", set.directory);
                let bytes = body.len() as u64;
                put(context, &path, Body::Bytes(body.into()), Kind::FinalManifest).await?;
                files.extend(role.map(|role| FileSummary { role, path, bytes }));
            }
        }
        Ok(files)
    }
}

impl Set {
    fn summary(&self, record: &PictureRecord) -> PictureSummary {
        PictureSummary {
            path: format!("{}/{}", self.directory, record.name),
            asked_us: record.asked_us,
            time_us: record.time_us,
            tiles: self.planned.sheet.map(|_| record.tiles),
            width: record.width,
            height: record.height,
            bytes: record.bytes,
        }
    }

    fn sprites(&self) -> Option<Sprites> {
        Sprites::of(&self.planned, self.made.values())
    }

    /// What tells of the pictures: what a client may hand out has a role.
    fn beside(&self) -> Vec<(Option<FileRole>, &'static str, String)> {
        if let Some(sheets) = self.sprites() {
            return vec![
                (Some(FileRole::SpritesIndex), sprites::VTT, sheets.vtt()),
                (None, sprites::PLAYLIST, sheets.playlist()),
            ];
        }
        let entry = |record: &'_ PictureRecord| Entry {
            file: record.name.clone(),
            asked_us: record.asked_us,
            time_us: record.time_us,
            width: record.width,
            height: record.height,
            bytes: record.bytes,
            sha256: record.sha256.clone(),
        };
        let index = Index { format: self.planned.format, stills: self.made.values().map(entry).collect() };
        // Numbers and texts always are JSON.
        let body = serde_json::to_string_pretty(&index).unwrap_or_default();
        vec![(Some(FileRole::StillsIndex), "index.json", body)]
    }
}
