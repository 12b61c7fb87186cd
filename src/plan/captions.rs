//! Closed captions: those that become text tracks, and those that stay in the pictures (FEATURES K7).

use super::notes::Notes;
use super::rungs::{From, Made};
use super::source::Source;
use super::text::Chosen;
use crate::model::captions::CaptionLabel;
use crate::model::codec::Framing;
use crate::model::limits::TEXT_TRACKS_MAX;
use crate::model::request::{CaptionChoice, CaptionOptions, FieldRate, Request, TextLabels};
use crate::model::{CaptionChannel, Problem, VideoCodec};

/// Those that are asked for: what is chosen, then all others that carry text.
pub(super) fn captions<'a>(
    main: &'a Source<'a>,
    asked: &CaptionOptions,
    notes: &mut Notes,
    problems: &mut Vec<Problem>,
) -> Vec<Chosen<'a>> {
    if !asked.is_asked() || !asked.makes_tracks() {
        return Vec::new();
    }
    let refused = |message: &str, field: &str| Problem::input("text.captions", message).at(format!("text.{field}"));
    if main.joined.is_some() {
        let message = "closed captions of a joined source cannot be made text: name a file of text for the whole of it";
        problems.push(refused(message, "captions"));
        return Vec::new();
    }
    let found = main.facts.captions.as_deref();
    let mut all: Vec<Chosen<'a>> = Vec::new();
    for (nth, choice) in asked.channels.iter().enumerate() {
        let Some(stream) = main.facts.caption_stream(choice.channel) else {
            problems.push(refused(NO_CARRIER, &format!("captions.channels[{nth}]")));
            continue;
        };
        if found.is_some_and(|found| !found.contains(&choice.channel)) {
            let message =
                format!("{} carries no text where the source was looked at: its track may be empty", choice.channel);
            notes.add("captions.unseen", message);
        }
        let (labels, caption) = (choice.labels.clone(), Some(choice.channel));
        all.push(Chosen { source: main, stream, labels, encoding: None, caption });
    }
    if asked.all {
        let others: Vec<CaptionChannel> = found.unwrap_or_default().to_vec();
        if others.is_empty() {
            notes.add("captions.none", "no closed captions were found in the source: there is no track of them");
        }
        for channel in others {
            let is_new = all.iter().all(|one| one.caption != Some(channel));
            if let Some(stream) = main.facts.caption_stream(channel).filter(|_| is_new) {
                let (labels, caption) = (TextLabels::default(), Some(channel));
                all.push(Chosen { source: main, stream, labels, encoding: None, caption });
            }
        }
    }
    all
}

const NO_CARRIER: &str = "closed captions are read from pictures in MPEG-2, H.264 and HEVC, and from tracks of captions of line \
                          21 in QuickTime; the source has none of them";

/// Whether pictures in a codec can carry captions here: those whose bitstreams are made of NAL units.
pub(super) fn has_room(codec: VideoCodec) -> bool {
    codec.traits().framing == Framing::AnnexB
}

/// Whether captions can stay in the pictures of a source.
///
/// # Errors
/// `text.captions`.
pub(super) fn stay(main: &Source<'_>, request: &Request) -> Result<(), Problem> {
    let refused = |message: &str| Err(Problem::input("text.captions", message).at("text.captions"));
    if main.joined.is_some() {
        return refused("closed captions of a joined source cannot stay in its pictures: leave them out");
    }
    match main.facts.caption_stream(CaptionChannel::Line21(1)) {
        None => return refused(NO_CARRIER),
        Some(stream) if stream.video.is_none() => {
            return refused(
                "captions in a track of their own cannot be put into pictures: make tracks of text of them",
            );
        }
        Some(_) => {}
    }
    if request.omit_video {
        return refused("only sound was asked for, and captions stay in pictures: drop one of the two");
    }
    if request.picture.timing().field_rate == FieldRate::Field {
        let message = "closed captions cannot stay in pictures that are made of single fields: make tracks of text of them, or \
                       leave field_rate out";
        return refused(message);
    }
    Ok(())
}

/// Says which rungs are without captions that the others have.
pub(super) fn tell_of_rungs(from: &From<'_>, rungs: &[Made], notes: &mut Notes) {
    let without: Vec<&str> = rungs.iter().filter(|made| !made.captions).map(|made| made.id.as_str()).collect();
    if from.captions && !without.is_empty() {
        let message = format!(
            "{} cannot carry closed captions: they stay in H.264 and HEVC of the output's own source",
            without.join(", ")
        );
        notes.add("captions.not_embedded", message);
    }
}

/// What players are told of captions that stay: those that are chosen, then all others that carry text. Captions without a
/// name are called by their language, else by their channel.
pub(super) fn labels(main: &Source<'_>, asked: &CaptionOptions) -> Vec<CaptionLabel> {
    let found = main.facts.captions.iter().flatten();
    let plain = |channel: &CaptionChannel| CaptionChoice { channel: *channel, labels: TextLabels::default() };
    let is_new = |one: &CaptionChoice| asked.channels.iter().all(|other| other.channel != one.channel);
    let all = asked.channels.iter().cloned().chain(found.map(plain).filter(is_new));
    let mut labels: Vec<CaptionLabel> = Vec::new();
    for CaptionChoice { channel, labels: said } in all.take(TEXT_TRACKS_MAX) {
        let title = said.title.or_else(|| said.language.clone()).unwrap_or_else(|| channel.to_string());
        let is_taken = labels.iter().any(|other| other.title == title);
        let title = if is_taken { format!("{title} {channel}") } else { title };
        labels.push(CaptionLabel { channel, language: said.language, title, default: said.default });
    }
    labels
}
