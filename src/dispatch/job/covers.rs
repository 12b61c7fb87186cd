//! Covers of progressive files: fetched by a worker once an output is planned, and held for its end. They are fetched again by
//! each attempt, so nothing of them is stored.

use super::{Broken, Job};
use crate::dispatch::probe::cover;
use crate::model::labels::CoverUse;
use crate::model::plan::Note;
use crate::model::state::OutputState;
use crate::model::{Fault, Problem};
use std::sync::Arc;
use tokio::sync::watch;

impl Job {
    /// Fetches the covers of the outputs that are to be made. An output whose cover was asked for and cannot be used fails; a
    /// picture of the source is left out.
    pub(super) async fn fetch_covers(&mut self) -> Result<(), Broken> {
        let plan = Arc::clone(&self.plan);
        let mut fetched: Vec<(CoverUse, Result<_, Problem>)> = Vec::new();
        for (index, output) in plan.outputs.iter().enumerate() {
            let Some(wanted) = output.as_ref().and_then(|output| output.labels.cover) else { continue };
            if self.keeper.record.outputs[index].state() != OutputState::Pending {
                continue;
            }
            let known = fetched.iter().find(|(cover, _)| *cover == wanted).map(|(_, found)| found.clone());
            let found = match known {
                Some(found) => found,
                None => {
                    let Some(found) = self.fetch_cover(wanted).await? else { return Ok(()) };
                    fetched.push((wanted, found.clone()));
                    found
                }
            };
            match found {
                Ok(cover) => self.covers[index] = Some(cover),
                Err(problem) if wanted.stream.is_some() && problem.fault == Fault::Input => {
                    let message =
                        format!("the picture that is attached to the source is left out: {}", problem.message);
                    self.warn(index, Note { code: "cover.left_out".to_owned(), message }).await;
                }
                Err(problem) => {
                    let field = self.keeper.record.spec.image_field(wanted.source, Some(index));
                    let problem = field.map_or(problem.clone(), |field| problem.at(field));
                    self.fail_output(index, problem).await?;
                }
            }
        }
        Ok(())
    }

    /// `None` when nothing is left to be done for.
    async fn fetch_cover(&mut self, wanted: CoverUse) -> Result<Option<super::CoverFetched>, Broken> {
        let Some(source) = self.sources.get(wanted.source).and_then(Clone::clone) else {
            let message = "a cover was planned and its source not opened; report this with the log";
            return Ok(Some(Err(Problem::bug("internal.source", message))));
        };
        let (keep, cancelled) = watch::channel(false);
        let (program, transport) = (self.settings.worker.clone(), self.settings.transport);
        let fetch = async move {
            let once = || cover(&program, &source, transport, cancelled.clone(), wanted.stream);
            match once().await {
                // Once more where its worker died, as with every other part.
                Err(problem) if problem.fault == Fault::Device => once().await,
                fetched => fetched,
            }
        };
        let fetched = self.while_serving(fetch).await?;
        drop(keep);
        Ok(fetched.map(|fetched| fetched.map(Arc::new)))
    }
}
