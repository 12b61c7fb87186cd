//! Step 2 of a job: from what a client asks and what its source is, everything that will be made, as data.
//!
//! A pure function: no IO, no clock, no FFmpeg. What it writes (graphs, options, names) is pinned by goldens in
//! `tests/golden/plan/`.

mod audio;
mod burn;
mod captions;
mod checks;
mod chosen;
mod color;
mod copy;
mod encoder;
mod graph;
mod groups;
mod job;
mod joined;
mod labels;
mod ladder;
mod marks;
mod monos;
mod names;
mod notes;
mod output;
mod picture;
pub mod place;
mod rate;
mod rungs;
mod source;
mod stills;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod text;
mod threads;
mod timeline;
mod timing;
mod tree;
mod trim;
mod two_pass;
mod video;
mod works;

pub use crate::model::request::{Channels, RateMode, RenditionSpec, Request, SizeSpec, parse_segment};

use crate::model::mark::Mark;
use crate::model::plan::JobPlan;
use crate::model::{JobSpec, Locator, MediaFacts, Plan, Problem};
use job::Given;
use joined::Joined;
use output::Ask;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the machine that will do the work has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// CPU threads; the spans of a job share them.
    pub threads: u32,
}

/// What is wrong with a request whatever its source may be; empty when nothing is. Each problem is about a field, by its
/// name in `reelmill.v1.OutputSpec`.
pub fn check(request: &Request) -> Vec<Problem> {
    let mut problems = checks::request(request);
    if !request.is_pictures_alone() {
        let combinations = checks::outputs(request, !request.omit_video, true, &mut notes::Notes::default());
        problems.extend(combinations.err().unwrap_or_default());
    }
    for (index, rendition) in request.renditions.iter().enumerate().filter(|(_, rendition)| rendition.is_odd()) {
        let message =
            format!("{rendition} has an odd side, and pictures in these codecs have even ones: ask for one less");
        problems.push(Problem::input("request.rendition", message).at(format!("renditions[{index}].size")));
    }
    for problem in problems.iter_mut().filter(|problem| problem.field.is_empty()) {
        problem.field = match problem.code.as_str() {
            "request.segment" => "segment_duration",
            "request.spans" => "spans",
            "request.rendition" => "renditions",
            "request.crf" => "rate_control.crf",
            "request.codec_packaging" => "packagings",
            "request.progressive" => "progressive_mp4",
            _ => "",
        }
        .to_owned();
    }
    problems
}

/// The watermarks of a request that are texts or timecodes, by their place in it, at a usual size: to check that they can be
/// written before anything is encoded.
pub fn text_marks(request: &Request) -> Vec<(usize, Mark)> {
    marks::texts(&request.watermarks)
}

/// What can be planned of a job, and what not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobPlanning {
    /// What will be made, with `None` for each output that cannot be planned.
    pub plan: JobPlan,
    /// What is wrong, by the index of the output: for each one that has no plan although the facts of all its sources
    /// are there, at least one problem. Each says what it is about (`outputs[1].renditions[0]`, `sources[0].start`).
    pub problems: Vec<(usize, Vec<Problem>)>,
}

/// Plans a job: each source is decoded once for each segment grid, and everything that outputs have in common is made
/// once. `facts` are those of the job's sources in order, `None` for one that failed or is not needed: outputs that use
/// it are not planned, and it is for the caller to say why.
///
/// Zero is where each source begins, or its in point, so sound and rungs of another source start together with the
/// pictures. One output that cannot be planned stops no other. Which renditions are made does not depend on the order
/// of outputs, unless there are more of one source than fit into one work.
pub fn plan_job(facts: &[Option<MediaFacts>], spec: &JobSpec, node: &Node) -> JobPlanning {
    let count = spec.sources.len().max(facts.len());
    let joined: Vec<_> = (0..count).map(|i| join(spec, facts, i)).collect();
    let source = |(i, joined)| match joined {
        Some(Ok(joined)) => Given::Joined(joined),
        Some(Err(problem)) => Given::Refused(problem),
        None if spec.is_joined(i) => Given::Unknown,
        None => facts.get(i).and_then(Option::as_ref).map_or(Given::Unknown, |facts| Given::File(facts, cut(spec, i))),
    };
    let sources = joined.iter().map(|one| one.as_ref().map(|one| one.as_ref().map_err(Clone::clone)));
    let sources = sources.enumerate().map(source).collect();
    let asks = spec.outputs.iter().enumerate().map(|(index, output)| Ask {
        index,
        source: output.source,
        audio_sources: &output.audio_sources,
        rendition_sources: &output.rendition_sources,
        request: &output.request,
        images: marks::images(spec, index, facts),
        image_sources: spec.images_of(output),
        cover: output.request.file_metadata.cover.as_ref().and_then(|cover| spec.cover_source(cover)),
    });
    job::plan(sources, &asks.collect::<Vec<_>>(), *node)
}

/// The facts of a joined source of a job, from those of its parts; `None` when one of these is not there, and for a source
/// that is not joined. Pictures are stream 0, tracks of sound follow; times count from the joined beginning.
///
/// # Errors
/// What keeps the parts from being joined: about one of them, or about the place of one.
pub fn joined_facts(facts: &[Option<MediaFacts>], spec: &JobSpec, index: usize) -> Option<Result<MediaFacts, Problem>> {
    join(spec, facts, index).map(|joined| joined.map(|joined| joined.facts))
}

fn join(spec: &JobSpec, facts: &[Option<MediaFacts>], index: usize) -> Option<Result<Joined, Problem>> {
    let parts = spec.sources.get(index).map(|source| &source.concat).filter(|parts| !parts.is_empty())?;
    let part = |part: &usize| Some((*part, facts.get(*part)?.as_ref()?, cut(spec, *part)));
    let parts: Vec<_> = parts.iter().map(part).collect::<Option<_>>()?;
    let like = spec.sources[index].concat_like.and_then(|like| parts.iter().position(|(part, ..)| *part == like));
    Some(joined::join(&parts, like.unwrap_or(0)).map_err(|problem| {
        let about_part = problem.field.starts_with("concat");
        if about_part { problem.at(format_args!("sources[{index}]")) } else { problem }
    }))
}

/// The piece of a source that is asked for.
fn cut(spec: &JobSpec, index: usize) -> (Option<i64>, Option<i64>) {
    spec.sources.get(index).map_or((None, None), |source| (source.start_us, source.end_us))
}

/// Plans a job of one output and one source. On failure, everything that is wrong with the request, or else what is
/// wrong with the source; never an empty list.
pub fn plan(facts: &MediaFacts, request: &Request, node: &Node) -> Result<Plan, Vec<Problem>> {
    plan_with(facts, &BTreeMap::new(), request, node)
}

/// Plans a job of one output and one source, with what is known of the images of its watermarks.
///
/// # Errors
/// As [`plan`]; nothing is known to be wrong with an image.
pub fn plan_with(
    facts: &MediaFacts,
    images: &BTreeMap<Locator, MediaFacts>,
    request: &Request,
    node: &Node,
) -> Result<Plan, Vec<Problem>> {
    let image = |mark: &crate::model::request::Watermark| {
        let place = images.keys().position(|locator| Some(locator) == mark.image.as_ref())?;
        let size = marks::size_of(images.values().nth(place)?)?;
        Some(marks::Image { source: place + 1, size })
    };
    let ask = Ask {
        index: 0,
        source: 0,
        audio_sources: &[],
        rendition_sources: &BTreeMap::new(),
        request,
        images: request.watermarks.iter().map(image).collect(),
        image_sources: (1..=images.len()).collect(),
        // Of one work nothing is told of files.
        cover: None,
    };
    let all = std::iter::once(facts).chain(images.values()).map(|facts| Given::File(facts, (None, None)));
    let JobPlanning { plan, problems } = job::plan(all.collect(), &[ask], *node);
    let work = plan.works.into_iter().next();
    match (work, plan.outputs.into_iter().next().flatten()) {
        (Some(work), Some(output)) => Ok(Plan { notes: output.notes, ..work.plan }),
        _ => Err(problems.into_iter().next().map_or_else(Vec::new, |(_, problems)| problems)),
    }
}
