//! Watermarks of a job before it is planned: their images are sources beside the others, their texts are checked against
//! the fonts of this machine.

use super::{Broken, Job};
use crate::dispatch::probe::check_texts;
use crate::model::{Fault, JobSpec, Problem};
use crate::plan::text_marks;
use std::collections::BTreeSet;
use tokio::sync::watch;

impl Job {
    /// Writes the texts of these outputs once, in a worker; an output whose texts cannot be written fails.
    pub(super) async fn check_texts(&mut self, outputs: BTreeSet<usize>) -> Result<(), Broken> {
        for index in outputs {
            let marks = text_marks(&self.keeper.record.spec.outputs[index].request);
            let source = self.sources.iter().flatten().next().cloned();
            let (Some(source), false) = (source, marks.is_empty()) else { continue };
            for (place, mark) in marks {
                let (keep, cancelled) = watch::channel(false);
                let (program, transport) = (self.settings.worker.clone(), self.settings.transport);
                let (mark, source) = ([mark], source.clone());
                let check = async move {
                    let checked = check_texts(&program, &source, transport, cancelled.clone(), &mark).await;
                    match checked {
                        // Once more where its worker died, as with every other part.
                        Err(problem) if problem.fault == Fault::Device => {
                            check_texts(&program, &source, transport, cancelled, &mark).await
                        }
                        checked => checked,
                    }
                };
                let checked = self.while_serving(check).await?;
                drop(keep);
                match checked {
                    None => return Ok(()),
                    Some(Ok(())) => {}
                    Some(Err(problem)) => {
                        let field = format!("outputs[{index}].watermarks[{place}]");
                        self.fail_output(index, problem.at(field)).await?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The same problem, about what names the source: for an image of a watermark that is the watermark, of this output if it
/// has it.
pub(super) fn about_source(problem: Problem, spec: &JobSpec, source: usize, output: Option<usize>) -> Problem {
    match spec.image_field(source, output) {
        Some(field) => problem.at(field),
        None => problem.at(format_args!("sources[{source}]")),
    }
}
