//! From what each output needs to what is made of each source: everything that outputs have in common is made once.

use super::audio::{self, Track};
use super::groups::Group;
use super::notes::Notes;
use super::output::Draft;
use super::rungs::Made;
use super::source::Source;
use super::{Node, copy, names, timeline, two_pass, video};
use crate::model::mark::Mark;
use crate::model::plan::SpanRange;
use crate::model::request::{EncoderOption, Loudness, PictureOptions};
use crate::model::stills::StillsPlan;
use crate::model::text::TextRendition;
use crate::model::{AudioCodec, AudioRendition, Packaging, Plan, RateControl, Ratio, VideoCodec};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Where a rung or track of an output is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Use {
    /// Index of the work.
    pub work: usize,
    /// The rendition's id there.
    pub rendition: String,
}

/// What the works have for one output: for each of its rungs, and each of its tracks, where it is made.
#[derive(Clone, Default, Debug)]
pub(super) struct Uses {
    /// In the order of the draft's rungs.
    pub rungs: Vec<Option<Use>>,
    /// In the order of the draft's tracks.
    pub tracks: Vec<Option<Use>>,
    /// In the order of the draft's text.
    pub text: Vec<Option<Use>>,
    /// Of all of the draft's single pictures the work.
    pub sets: Option<usize>,
}

/// An output that can be made, if it can, by its place in the job.
pub(super) type Drafts<'a> = [Option<Draft<'a>>];

/// Plans what one group makes, as work `index`, and says in `uses` which output finds what where. Notes go to the
/// drafts.
pub(super) fn plan(
    (index, group): (usize, &Group),
    (source, of_stills): (&Source<'_>, &Source<'_>),
    drafts: &mut Drafts<'_>,
    uses: &mut [Uses],
    node: Node,
) -> Plan {
    let Spans { spans, side_by_side, is_over } = spans(group, source, drafts);
    mark_copies(group, source, spans.len(), drafts);
    let mut packagings: Vec<Packaging> = Vec::new();
    let all: BTreeSet<usize> = group.outputs.iter().chain(&group.sounding).copied().collect();
    for draft in all.iter().filter_map(|output| drafts[*output].as_ref()) {
        packagings.extend(draft.packagings.iter().filter(|p| !packagings.contains(p)).copied().collect::<Vec<_>>());
    }
    if all.len() > 1 {
        packagings.sort_unstable();
    }
    let rungs = rungs(index, group, drafts, uses);
    let pictures = source.pictures.as_ref().filter(|_| !rungs.is_empty());
    let mut video = pictures.map(|pictures| video::plan(source, pictures, &rungs, group.grid, side_by_side, node));
    video.iter_mut().filter(|_| is_over).for_each(two_pass::without_tree);
    Plan {
        grid: group.grid,
        packagings,
        video,
        audio: tracks(index, group, source, drafts, uses),
        text: texts(index, group, drafts, uses),
        stills: stills(index, group, of_stills, drafts, uses, node),
        duration_us: source.range.duration_us,
        side_by_side: (side_by_side < spans.len() as u32).then_some(side_by_side),
        spans,
        notes: Vec::new(),
    }
}

/// The single pictures of a group's outputs. Nothing of them is shared: they differ in most.
fn stills(
    work: usize,
    group: &Group,
    source: &Source<'_>,
    drafts: &Drafts<'_>,
    uses: &mut [Uses],
    node: Node,
) -> Option<StillsPlan> {
    let mut sets = Vec::new();
    for output in &group.outputs {
        let Some(draft) = drafts[*output].as_ref().filter(|draft| draft.sets_source == group.source) else { continue };
        // An output whose renditions fill several works has its pictures in the first.
        if !draft.sets.is_empty() && uses[*output].sets.is_none() {
            uses[*output].sets = Some(work);
            sets.extend(draft.sets.iter().map(|(_, set)| set.clone()));
        }
    }
    let pictures = source.pictures.as_ref().filter(|_| !sets.is_empty())?;
    Some(StillsPlan { video: video::plan(source, pictures, &[], group.grid, 1, node), sets })
}

/// How the grid is cut.
struct Spans {
    spans: Vec<SpanRange>,
    side_by_side: u32,
    /// They are longer than first passes would have them.
    is_over: bool,
}

/// The runs of segments that a group is made in: as many as the output asks for that wants most, or as many as keep what
/// first passes find out within its limit; and how many are to run side by side. Outputs that get another number than they
/// asked for are told.
fn spans(group: &Group, source: &Source<'_>, drafts: &mut Drafts<'_>) -> Spans {
    let pictured: Vec<usize> = group
        .outputs
        .iter()
        .copied()
        .filter(|output| drafts[*output].as_ref().is_some_and(|draft| draft.rungs_of(group.source).next().is_some()))
        .collect();
    let asked = |output: &usize| drafts[*output].as_ref().map_or(1, |draft| draft.request.spans);
    let wanted = pictured.iter().map(asked).max().unwrap_or(1);
    let mut notes = Notes::default();
    let (seekable, duration_us) = (source.facts.seekable, source.range.duration_us);
    let rungs = pictured.iter().filter_map(|output| drafts[*output].as_ref());
    let rungs = rungs.flat_map(|draft| draft.rungs_of(group.source));
    let rate = source.pictures.as_ref().map_or(Ratio::new(25, 1), |pictures| pictures.clock.frame_rate);
    let longest = two_pass::segments_max(rungs, rate, group.grid);
    let spans = timeline::spans(wanted, longest, seekable, duration_us, group.grid, &mut notes);
    let side_by_side = (spans.len() as u32).min(wanted.max(1));
    let is_over = two_pass::is_over(longest, &spans, duration_us, group.grid);
    if is_over {
        let message =
            "the source is too long for two passes at once and cannot be cut, so they keep less of each picture";
        notes.add("two_pass.pictures_only", message);
    }
    for output in pictured {
        let Some(draft) = drafts[output].as_mut() else { continue };
        if draft.request.spans == wanted || longest.is_some() {
            draft.general.extend(&notes);
        } else if draft.request.spans as usize != spans.len() {
            let message = format!("the source is made in {} spans, as another output asks", spans.len());
            draft.general.add("spans.shared", message);
        }
    }
    Spans { spans, side_by_side, is_over }
}

/// Finds for each output the rung that the source already is, or tells it why there is none. At most one rung of an
/// output is a copy: two would be the same pictures twice.
fn mark_copies(group: &Group, source: &Source<'_>, spans: usize, drafts: &mut Drafts<'_>) {
    for output in &group.outputs {
        let Some(draft) = drafts[*output].as_mut().filter(|draft| draft.request.copy) else { continue };
        let mut own: Vec<&mut Made> = draft.rungs.iter_mut().filter(|m| m.rung.source == group.source).collect();
        if own.is_empty() {
            continue;
        }
        let altered = source.pictures.as_ref().is_some_and(|pictures| pictures.altered);
        if altered || own.iter().any(|made| !made.look.picture.is_plain() || !made.marks.is_empty()) {
            let message = "the source's pictures are encoded anew, not copied: they are not taken as they are";
            draft.pictures.add("copy.not_possible", message);
            continue;
        }
        let candidate = |m: &&mut Made| copy::Candidate {
            codec: m.codec,
            size: (m.rung.width, m.rung.height),
            peak: m.declared_peak,
        };
        let candidates: Vec<copy::Candidate> = own.iter().map(candidate).collect();
        match copy::choose(source, spans, group.grid, &candidates) {
            Ok(chosen) => {
                own[chosen].copy = true;
                if !own[chosen].encoder_options.is_empty() {
                    let message = "a copied rendition has no encoder, so options of encoders set nothing in it";
                    draft.pictures.add("encoder_option.unused", message);
                }
            }
            Err(why) => {
                let message = format!("the source's pictures are encoded anew, not copied: {why}");
                draft.pictures.add("copy.not_possible", message);
            }
        }
    }
}

/// What tells two encodes of one source apart; its colour follows from source, codec, and whether high
/// dynamic range is kept. Every copy is the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Encode {
    codec: VideoCodec,
    size: (u32, u32),
    /// Kind of rate control, its four numbers, and the speed; `None` for a copy.
    how: Option<(u8, [u64; 4], u8)>,
    /// High dynamic range is kept, and what is done to pictures.
    look: (bool, PictureOptions),
    /// Options of encoders; none for a copy.
    options: Vec<EncoderOption>,
    /// What is drawn over pictures.
    marks: Vec<Mark>,
    /// Captions stay; a copy has what it has.
    captions: bool,
}

impl Encode {
    pub(super) fn of(made: &Made) -> Self {
        let rate = match made.rate {
            RateControl::Vbv { bitrate, max_rate, buffer } => (0, [bitrate, max_rate, buffer, 0]),
            RateControl::CappedCrf { crf, max_rate, buffer } => (1, [max_rate, buffer, 0, u64::from(crf)]),
            RateControl::Crf { crf } => (2, [0, 0, 0, u64::from(crf)]),
            RateControl::TwoPass { bitrate, max_rate, buffer } => (3, [bitrate, max_rate, buffer, 0]),
        };
        let how = (!made.copy).then_some((rate.0, rate.1, made.speed as u8));
        Self {
            codec: made.codec,
            size: (made.rung.width, made.rung.height),
            how,
            look: (made.look.hdr.is_some(), made.look.picture),
            options: if made.copy { Vec::new() } else { made.encoder_options.clone() },
            marks: made.marks.clone(),
            captions: made.captions && !made.copy,
        }
    }
}

/// What tells two renditions of one source's sound apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Sound {
    stream: u32,
    codec: AudioCodec,
    layout: (u32, String),
    sample_rate: u32,
    bit_rate: u64,
    copy: bool,
    whole: String,
    loudness: Option<Loudness>,
    channel_inputs: Vec<(u32, String)>,
}

impl Sound {
    pub(super) fn of(track: &Track) -> Self {
        let AudioRendition {
            stream,
            codec,
            channels,
            layout,
            sample_rate,
            bit_rate,
            copy,
            whole,
            loudness,
            channel_inputs,
            ..
        } = &track.rendition;
        let layout = (*channels, layout.clone());
        Self {
            stream: *stream,
            codec: *codec,
            layout,
            sample_rate: *sample_rate,
            bit_rate: *bit_rate,
            copy: *copy,
            whole: whole.clone(),
            loudness: *loudness,
            channel_inputs: channel_inputs.iter().map(|one| (one.stream, one.graph.clone())).collect(),
        }
    }
}

/// Every distinct rung of a group once, with an id of its own. The order is that of the output where there is one; of
/// several it is one that does not depend on which comes first.
fn rungs(work: usize, group: &Group, drafts: &Drafts<'_>, uses: &mut [Uses]) -> Vec<Made> {
    let mut made: Vec<Made> = Vec::new();
    let of_all = || group.outputs.iter().filter_map(|output| drafts[*output].as_ref());
    for one in of_all().flat_map(|draft| draft.rungs_of(group.source)) {
        match made.iter_mut().find(|other| Encode::of(other) == Encode::of(one)) {
            Some(other) => join(other, one),
            None => made.push(one.clone()),
        }
    }
    if of_all().filter(|draft| draft.rungs_of(group.source).next().is_some()).count() > 1 {
        made.sort_by_key(order);
    }
    names::rungs(&mut made);
    for output in &group.outputs {
        let Some(draft) = &drafts[*output] else { continue };
        for (slot, one) in uses[*output].rungs.iter_mut().zip(&draft.rungs) {
            if let Some(found) =
                made.iter().find(|m| one.rung.source == group.source && Encode::of(m) == Encode::of(one))
            {
                *slot = Some(Use { work, rendition: found.id.clone() });
            }
        }
    }
    made
}

/// One encode for two outputs: it is wrapped for both, has the shorter name, and declares the higher peak (without a
/// bound on the rate, and as a copy, it is a guess).
fn join(made: &mut Made, other: &Made) {
    made.packagings
        .extend(other.packagings.iter().filter(|p| !made.packagings.contains(p)).copied().collect::<Vec<_>>());
    made.packagings.sort_unstable();
    let key = |m: &Made| (m.rung.name.len(), m.rung.name.clone());
    if key(other) < key(made) {
        made.rung.name.clone_from(&other.rung.name);
    }
    if (other.declared_peak, other.bitrate) > (made.declared_peak, made.bitrate) {
        (made.declared_peak, made.bitrate) = (other.declared_peak, other.bitrate);
        (made.rate, made.speed) = (other.rate, other.speed);
    }
}

/// Larger ones first, so that a rung finds the one that it is scaled from before it.
fn order(made: &Made) -> impl Ord + use<> {
    let (width, height) = (made.rung.width, made.rung.height);
    let area = u64::from(width) * u64::from(height);
    (Reverse((area, width)), made.codec, Reverse((made.copy, made.declared_peak)), Encode::of(made))
}

/// Every distinct track of a group once, with an id of its own, and title and default as in the source.
fn tracks(
    work: usize,
    group: &Group,
    source: &Source<'_>,
    drafts: &Drafts<'_>,
    uses: &mut [Uses],
) -> Vec<AudioRendition> {
    let mut made: Vec<Track> = Vec::new();
    let of_group =
        |output: &usize| drafts[*output].iter().flat_map(|draft| &draft.tracks).filter(|t| t.source == group.source);
    for one in group.sounding.iter().flat_map(of_group) {
        match made.iter_mut().find(|other| Sound::of(other) == Sound::of(one)) {
            Some(other) => {
                let packagings = &mut other.rendition.packagings;
                let more: Vec<_> =
                    one.rendition.packagings.iter().filter(|p| !packagings.contains(p)).copied().collect();
                packagings.extend(more);
                packagings.sort_unstable();
            }
            None => made.push(one.clone()),
        }
    }
    if group.sounding.iter().filter(|output| of_group(output).next().is_some()).count() > 1 {
        made.sort_by_key(|t| {
            let AudioRendition { codec, channels, copy, whole, loudness, .. } = &t.rendition;
            (t.place, *codec, *channels, *copy, whole.clone(), *loudness, Sound::of(t).channel_inputs)
        });
    }
    names::tracks(&mut made);
    for output in &group.sounding {
        let Some(draft) = &drafts[*output] else { continue };
        for (slot, one) in uses[*output].tracks.iter_mut().zip(&draft.tracks) {
            if let Some(found) = made.iter().find(|t| one.source == group.source && Sound::of(t) == Sound::of(one)) {
                *slot = Some(Use { work, rendition: found.rendition.id.clone() });
            }
        }
    }
    let titles = audio::titles(source.sound.iter().map(|(stream, _)| *stream));
    let count = made.iter().map(|t| t.place + 1).max().unwrap_or(0);
    let default = source.default_track(count);
    let first = made.iter().position(|t| t.place == default).unwrap_or(0);
    let finished = |(i, t): (usize, Track)| AudioRendition {
        title: titles.get(t.place).cloned().unwrap_or_default(),
        default: i == first,
        ..t.rendition
    };
    made.into_iter().enumerate().map(finished).collect()
}

/// Every distinct text rendition of a group once, with an id of its own.
fn texts(work: usize, group: &Group, drafts: &Drafts<'_>, uses: &mut [Uses]) -> Vec<TextRendition> {
    let mut made: Vec<TextRendition> = Vec::new();
    for output in &group.sounding {
        let Some(draft) = &drafts[*output] else { continue };
        for (slot, one) in uses[*output].text.iter_mut().zip(&draft.text).filter(|(_, t)| t.source == group.source) {
            // Two packagings of one output never differ; those of two outputs are both made.
            let place = made.iter().position(|other| other.is_same(&one.rendition)).unwrap_or_else(|| {
                let mut ids = made.iter().map(|other| other.id.clone()).collect();
                let id = names::free(&mut ids, vec![one.rendition.id.clone()]);
                made.push(TextRendition { id, ..one.rendition.clone() });
                made.len() - 1
            });
            let packagings = &mut made[place].packagings;
            packagings.extend(&one.rendition.packagings);
            packagings.sort_unstable();
            packagings.dedup();
            *slot = Some(Use { work, rendition: made[place].id.clone() });
        }
    }
    made
}
