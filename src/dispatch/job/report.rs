//! The report that lies beside a finished output, from what the job knows and what was published.

use super::Job;
use crate::model::job::FileRole;
use crate::model::job::Warning;
use crate::model::plan::OutputPlan;
use crate::model::{MediaFacts, Plan, Problem};
use crate::publish::{MakeReport, Summary};
use crate::report::{JobReport, OtherSource, SourceReport, TrackReport};
use std::sync::{Arc, Mutex, PoisonError};

/// A report that was made, for whoever runs this single job.
#[derive(Clone, Debug, Default)]
pub(super) struct Made(Arc<Mutex<Option<JobReport>>>);

impl Made {
    pub(super) fn take(&self) -> Option<JobReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Job {
    /// What makes the report of an output once all is published.
    pub(super) fn report_maker(&mut self, output: usize, made: Made) -> MakeReport {
        let bill = self.last_bill(output);
        let record = &self.keeper.record;
        let spec = &record.spec.outputs[output];
        let planned = self.plan.outputs.get(output).and_then(Option::as_ref);
        let sources = planned.map(|planned| self.sources_of_output(planned)).unwrap_or_default();
        let mut sources = sources.into_iter();
        let first = sources.next();
        let about_it = |warning: &&Warning| warning.output.as_ref().is_none_or(|id| *id == spec.id);
        let Some(first) = first else {
            return Box::new(|_| {
                Err(Problem::bug("internal.report", "an output without a source was finished; report this"))
            });
        };
        let mut report = JobReport {
            reelmill: env!("CARGO_PKG_VERSION").to_owned(),
            source: first.source,
            output: spec.destination.to_string(),
            request: spec.request.clone(),
            elapsed_ms: 0,
            playable_after_ms: None,
            retries: self.figures.retries,
            decode_errors: self.figures.decode_errors(),
            warnings: record.warnings.iter().filter(about_it).map(|warning| warning.note.clone()).collect(),
            manifests: Vec::new(),
            progressive: Vec::new(),
            pictures: Vec::new(),
            tracks: Vec::new(),
            facts: first.facts,
            plan: first.plan,
            placements: record.placements.clone(),
            software_fallbacks: self.figures.software_fallbacks,
            other_sources: sources.collect(),
            usage: None,
        };
        let began = self.began;
        Box::new(move |summary: &Summary| {
            let manifests =
                summary.files.iter().filter(|file| matches!(file.role, FileRole::HlsMaster | FileRole::DashManifest));
            let playable = summary.playable.map(|at| at.saturating_duration_since(began).as_millis() as u64);
            report.playable_after_ms = playable;
            report.elapsed_ms = began.elapsed().as_millis() as u64;
            report.manifests = manifests.map(|file| file.path.clone()).collect();
            report.progressive.clone_from(&summary.progressive);
            report.pictures.clone_from(&summary.pictures);
            report.tracks = TrackReport::of(&summary.ledger);
            report.usage = bill(summary);
            let text = serde_json::to_vec_pretty(&report);
            let text =
                text.map_err(|error| Problem::bug("internal.report", format!("the report is not JSON: {error}")))?;
            *made.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
            Ok(text)
        })
    }

    /// The sources of an output and what is made of them, that of its pictures first.
    fn sources_of_output(&self, planned: &OutputPlan) -> Vec<OtherSource> {
        let mut works: Vec<usize> = Vec::new();
        for (work, _) in planned.uses() {
            if !works.contains(&work) {
                works.push(work);
            }
        }
        works.into_iter().filter_map(|work| self.source_of_work(work)).collect()
    }

    fn source_of_work(&self, work: usize) -> Option<OtherSource> {
        let work = self.plan.works.get(work)?;
        let input = self.keeper.record.inputs.get(work.source)?;
        let name = self.name_of_source(work.source)?;
        let facts: MediaFacts = input.facts.clone()?;
        let plan: Plan = work.plan.clone();
        Some(OtherSource { source: SourceReport { name, bytes: input.size_bytes.unwrap_or(0) }, facts, plan })
    }
}
