//! Single pictures on their way from a worker to the outputs.

use super::{Broken, Job};
use crate::dispatch::blocking;
use crate::model::job::Warning;
use crate::model::plan::{Note, OutputPlan};
use crate::model::{Fault, Problem};
use crate::publish::{Part, Pictured};
use crate::store::{LedgerEntry, LedgerRow};
use crate::supervise::said;
use crate::wire::v1;
use reelmill_scheduler::SpanId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Job {
    /// Finds which pictures of a part an earlier attempt stored.
    pub(super) fn find_pictures(&mut self, index: usize, rows: &[LedgerRow]) {
        let work = self.parts[index].work;
        let mut found: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for (output, planned) in self.plan.outputs.iter().enumerate() {
            for used in planned.iter().flat_map(|planned| &planned.pictures).filter(|used| used.work == work) {
                let ours = rows.iter().filter(|row| row.output == output && row.track == used.directory);
                let numbers = ours.filter_map(|row| match &row.entry {
                    LedgerEntry::Picture(picture) => Some(picture.number),
                    _ => None,
                });
                found.entry(used.set.clone()).or_default().extend(numbers);
            }
        }
        let part = &mut self.parts[index];
        part.next = found.iter().map(|(set, numbers)| (set.clone(), numbers.len() as u32)).collect();
        part.pictures = found;
    }

    /// What a worker for a part need not make any more.
    pub(super) fn pictures_made(&self, index: usize) -> Vec<v1::MadePictures> {
        let made = |(set, numbers): (&String, &BTreeSet<u32>)| v1::MadePictures {
            set: set.clone(),
            numbers: numbers.iter().copied().collect(),
        };
        self.parts[index].pictures.iter().map(made).collect()
    }

    /// Takes a picture out of a worker's spool, and hands it to the output that it is for.
    pub(super) async fn picture_made(&mut self, index: usize, picture: v1::Picture) -> Result<(), Problem> {
        let work = self.parts[index].work;
        if self.parts[index].part != Part::Stills || !self.renditions_of(index).contains(&picture.set) {
            let message = "a worker made pictures that it was not asked for; report this source";
            return Err(Problem::bug("worker.protocol", message));
        }
        let Some(running) = self.running.get(&SpanId(index as u32)) else { return Ok(()) };
        let (from, into) = (running.spool.clone(), self.spool.clone());
        let (room, bytes) = (running.worker.releaser(), picture.bytes);
        let counts = [Arc::clone(&self.spooled), Arc::clone(&self.unpublished)];
        for count in &counts {
            count.fetch_add(bytes, Ordering::Relaxed);
        }
        let undo = counts.clone();
        let release = Box::new(move |released| {
            for count in &counts {
                count.fetch_sub(bytes, Ordering::Relaxed);
            }
            room(released);
        });
        let (set, number) = (picture.set.clone(), picture.number);
        let taken = blocking(move || Pictured::take(&from, &into, picture, release)).await;
        let taken = taken.inspect_err(|_| {
            for count in &undo {
                count.fetch_sub(bytes, Ordering::Relaxed);
            }
        })?;
        let taken = Arc::new(taken);
        self.segment_kept(index, &set, bytes);
        self.segment_came();
        for output in self.outputs_with(work, &set) {
            output.picture(work, Arc::clone(&taken));
        }
        let part = &mut self.parts[index];
        let numbers = part.pictures.entry(set.clone()).or_default();
        numbers.insert(number);
        part.next.insert(set, numbers.len() as u32);
        Ok(())
    }

    /// A worker has something to tell of a set of pictures: that it cannot be made, or how it came out.
    pub(super) async fn picture_note(&mut self, index: usize, note: v1::PictureNote) -> Result<(), Broken> {
        let v1::PictureNote { set, failed, code, message } = note;
        let said = said(Fault::Input, &code, &message);
        if failed {
            return self.fail_outputs_with(index, &BTreeSet::from([set]), &said).await;
        }
        let work = self.parts[index].work;
        let note = Note { code: said.code, message: said.message };
        let has = |planned: &Option<OutputPlan>| planned.as_ref().is_some_and(|planned| planned.has(work, &set));
        let Some(output) = self.plan.outputs.iter().position(has) else { return Ok(()) };
        // A part that is begun again tells it again.
        let record = &self.keeper.record;
        let told =
            |warning: &Warning| warning.note == note && warning.output.as_ref() == Some(&record.outputs[output].id);
        if !record.warnings.iter().any(told) {
            self.warn(output, note).await;
        }
        Ok(self.keeper.save().await?)
    }
}
