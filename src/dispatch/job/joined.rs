//! Joined sources of a job: they are not opened themselves; their state, size and facts follow from their parts.

use super::{Broken, Job};
use crate::dispatch::job::prepare::without_key_frames;
use crate::dispatch::now_unix_ms;
use crate::input::Source;
use crate::model::plan::Work;
use crate::model::state::{InputEvent, InputState};
use crate::model::{MediaFacts, Problem};
use crate::plan::joined_facts;

impl Job {
    /// Their parts are about to be looked at.
    pub(super) fn check_joined(&mut self, joined: &[usize]) {
        let now = now_unix_ms();
        for index in joined {
            self.keeper.record.input(*index, InputEvent::Check, now, None);
        }
    }

    /// Their parts have been looked at. One whose parts cannot all be used, or not one after another, fails with its first
    /// problem; one of whose parts something may pass stays as it is, since the job is set back.
    pub(super) async fn settle_joined(&mut self, joined: &[usize], facts: &[Option<MediaFacts>]) -> Result<(), Broken> {
        for index in joined {
            let record = &self.keeper.record;
            let parts = record.spec.opened_for(*index);
            let failed = parts.iter().find_map(|part| record.inputs.get(*part)?.problem.clone());
            let ready = |part: &usize| record.inputs.get(*part).is_some_and(|input| input.state() == InputState::Ready);
            if failed.is_none() && !parts.iter().all(ready) {
                continue;
            }
            let seen = match failed {
                Some(problem) => Some(Err(problem)),
                None => joined_facts(facts, &record.spec, *index),
            };
            let sizes = parts.iter().filter_map(|part| record.inputs.get(*part)?.size_bytes);
            let size = sizes.fold(0, u64::saturating_add);
            let input = &mut self.keeper.record.inputs[*index];
            match seen {
                Some(Err(problem)) => {
                    self.fail_joined(*index, problem).await?;
                    continue;
                }
                Some(Ok(seen)) => input.facts = Some(without_key_frames(seen)),
                // Planned in an earlier attempt: what is known of it is stored.
                None => {}
            }
            input.size_bytes = Some(size);
            self.keeper.record.input(*index, InputEvent::Accept, now_unix_ms(), None);
        }
        Ok(self.keeper.save().await?)
    }

    async fn fail_joined(&mut self, index: usize, problem: Problem) -> Result<(), Broken> {
        self.keeper.record.input(index, InputEvent::Fail, now_unix_ms(), Some(problem.clone()));
        for output in self.outputs_that_use(index) {
            self.fail_output(output, problem.clone()).await?;
        }
        Ok(())
    }

    /// What the worker of a work reads, in the order of its list.
    pub(super) fn inputs_of(&self, work: &Work) -> Result<(Source, Vec<Source>), Problem> {
        let opened = |index: &usize| self.sources.get(*index).and_then(Option::as_ref).cloned();
        let missing =
            || Problem::bug("internal.source", "a source was planned and not opened; report this with the log");
        let alone = [work.source];
        let inputs = if work.inputs.is_empty() { &alone[..] } else { &work.inputs };
        let mut inputs = inputs.iter().map(|index| opened(index).ok_or_else(missing));
        let first = inputs.next().ok_or_else(missing)??;
        Ok((first, inputs.collect::<Result<_, _>>()?))
    }

    /// What people call a source; a joined one by its parts.
    pub(super) fn name_of_source(&self, index: usize) -> Option<String> {
        let spec = self.keeper.record.spec.sources.get(index)?;
        let name = |index: usize| Some(self.sources.get(index)?.as_ref()?.name().to_owned());
        if spec.concat.is_empty() {
            return name(index);
        }
        let names: Option<Vec<String>> = spec.concat.iter().map(|part| name(*part)).collect();
        names.map(|names| names.join(" + "))
    }
}
