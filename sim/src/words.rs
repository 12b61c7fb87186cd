//! Events as words, and back. Fields stand between blanks, numbers are decimal, `-` is nothing; of a text every byte that
//! is no letter, digit, `.`, `_` or `-` is written as `%` and two hexadecimal digits.
//!
//! ```text
//! submit JOB high|normal|batch OWNER DEADLINE GROUPS SPANS      added JOB GROUPS SPANS      changed JOB GROUP CHOICES
//! finished JOB SPAN     failed JOB SPAN AGAIN ABILITY     dropped JOB SPAN     cancelled JOB     lost JOB     tick
//! host VECTOR     up DEVICE KIND VECTOR     down DEVICE     refused DIMENSION DEVICE     probed DEVICE ABILITY yes|no
//!
//! GROUPS   CHOICES|CHOICES...       CHOICES   CHOICE;CHOICE...       SPANS   GROUPxCOUNT,GROUPxCOUNT...
//! CHOICE   KIND/ABILITY+ABILITY/VECTOR/VECTOR/IDENTITY/RUN_MS  (of the device, of the host)
//! VECTOR   DIMENSION=AMOUNT+DIMENSION=AMOUNT...
//! ```

use reelmill_scheduler::{
    Ability, Choice, Device, DeviceId, Dimension, Event, Group, GroupId, JobDemand, JobId, KindId, Priority, SpanId,
    Vector,
};
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

/// An event as words.
pub fn event(event: &Event) -> String {
    match event {
        Event::JobSubmitted { job } => {
            let JobDemand { job, priority, owner, deadline_ms, groups: all, spans: list } = job;
            let class = class_name(*priority);
            let (owner, deadline) = (escape(owner), option(*deadline_ms));
            format!("submit {} {class} {owner} {deadline} {} {}", job.0, groups(all), spans(list))
        }
        Event::SpansAdded { job, groups: all, spans: list } => {
            format!("added {} {} {}", job.0, groups(all), spans(list))
        }
        Event::GroupChanged { job, group, choices } => format!("changed {} {} {}", job.0, group.0, one_group(choices)),
        Event::SpanFinished { job, span } => format!("finished {} {}", job.0, span.0),
        Event::SpanFailed { job, span, again_ms, blame } => {
            let blame = blame.as_ref().map_or_else(nothing, |ability| escape(&ability.0));
            format!("failed {} {} {again_ms} {blame}", job.0, span.0)
        }
        Event::AbilityFailed { job, span, ability } => {
            format!("blamed {} {} {}", job.0, span.0, escape(&ability.0))
        }
        Event::SpanDropped { job, span } => format!("dropped {} {}", job.0, span.0),
        Event::JobCancelled { job } => format!("cancelled {}", job.0),
        Event::JobLost { job } => format!("lost {}", job.0),
        Event::Tick => "tick".to_owned(),
        Event::HostChanged { capacity } => format!("host {}", vector(capacity)),
        Event::DeviceUp { device } => format!("up {} {} {}", device.id.0, device.kind.0, vector(&device.capacity)),
        Event::DeviceDown { device } => format!("down {}", device.0),
        Event::Refused { dimension, device } => {
            format!("refused {} {}", escape(&dimension.to_string()), option(device.map(|device| device.0)))
        }
        Event::Probed { device, ability, sound } => {
            format!("probed {} {} {}", device.0, escape(&ability.0), if *sound { "yes" } else { "no" })
        }
    }
}

/// Words as an event.
///
/// # Errors
/// A sentence about the word that cannot be read.
pub fn parse_event(text: &str) -> Result<Event, String> {
    let mut words = text.split(' ');
    let mut next = || words.next().filter(|word| !word.is_empty()).ok_or_else(|| format!("`{text}` is cut short"));
    let event = match next()? {
        "submit" => {
            let job = JobId(number(next()?)?);
            let priority = class(next()?)?;
            let owner = Arc::from(unescape(next()?)?);
            let deadline_ms = parse_option(next()?)?;
            let groups = parse_groups(next()?)?;
            let spans = parse_spans(next()?)?;
            Event::JobSubmitted { job: JobDemand { job, priority, owner, deadline_ms, groups, spans } }
        }
        "added" => Event::SpansAdded {
            job: JobId(number(next()?)?),
            groups: parse_groups(next()?)?,
            spans: parse_spans(next()?)?,
        },
        "changed" => Event::GroupChanged {
            job: JobId(number(next()?)?),
            group: GroupId(number(next()?)?),
            choices: parse_group(next()?)?,
        },
        "finished" => Event::SpanFinished { job: JobId(number(next()?)?), span: SpanId(number(next()?)?) },
        "failed" => Event::SpanFailed {
            job: JobId(number(next()?)?),
            span: SpanId(number(next()?)?),
            again_ms: number(next()?)?,
            blame: match next()? {
                "-" => None,
                ability => Some(parse_ability(ability)?),
            },
        },
        "blamed" => Event::AbilityFailed {
            job: JobId(number(next()?)?),
            span: SpanId(number(next()?)?),
            ability: parse_ability(next()?)?,
        },
        "dropped" => Event::SpanDropped { job: JobId(number(next()?)?), span: SpanId(number(next()?)?) },
        "cancelled" => Event::JobCancelled { job: JobId(number(next()?)?) },
        "lost" => Event::JobLost { job: JobId(number(next()?)?) },
        "tick" => Event::Tick,
        "host" => Event::HostChanged { capacity: parse_vector(next()?)? },
        "up" => {
            let (id, kind) = (DeviceId(number(next()?)?), KindId(number(next()?)?));
            Event::DeviceUp { device: Device { id, kind, capacity: parse_vector(next()?)? } }
        }
        "down" => Event::DeviceDown { device: DeviceId(number(next()?)?) },
        "refused" => Event::Refused {
            dimension: Dimension::from(unescape(next()?)?),
            device: parse_option(next()?)?.map(DeviceId),
        },
        "probed" => Event::Probed {
            device: DeviceId(number(next()?)?),
            ability: parse_ability(next()?)?,
            sound: next()? == "yes",
        },
        other => return Err(format!("no event is called `{other}`")),
    };
    Ok(event)
}

/// A vector as a word.
pub fn vector(vector: &Vector) -> String {
    let words: Vec<String> =
        vector.iter().map(|(dimension, amount)| format!("{}={amount}", escape(&dimension.to_string()))).collect();
    join(&words, "+")
}

/// A word as a vector.
///
/// # Errors
/// A sentence about what cannot be read.
pub fn parse_vector(text: &str) -> Result<Vector, String> {
    let mut vector = Vector::default();
    for word in split(text, '+') {
        let (name, amount) = word.split_once('=').ok_or_else(|| format!("`{word}` is no amount"))?;
        vector = vector.with(Dimension::from(unescape(name)?), number(amount)?);
    }
    Ok(vector)
}

fn groups(groups: &[Group]) -> String {
    join(&groups.iter().map(one_group).collect::<Vec<_>>(), "|")
}

fn parse_groups(text: &str) -> Result<Vec<Group>, String> {
    split(text, '|').map(parse_group).collect()
}

fn one_group(group: &Group) -> String {
    join(&group.choices.iter().map(choice).collect::<Vec<_>>(), ";")
}

fn parse_group(text: &str) -> Result<Group, String> {
    Ok(Group { choices: split(text, ';').map(parse_choice).collect::<Result<_, _>>()? })
}

fn choice(choice: &Choice) -> String {
    let abilities: Vec<String> = choice.abilities.iter().map(|ability| escape(&ability.0)).collect();
    let (kind, abilities) = (option(choice.kind.map(|kind| kind.0)), join(&abilities, "+"));
    let (device, host) = (vector(&choice.device), vector(&choice.host));
    format!("{kind}/{abilities}/{device}/{host}/{}/{}", choice.identity, choice.run_ms)
}

fn parse_choice(text: &str) -> Result<Choice, String> {
    let fields: Vec<&str> = text.split('/').collect();
    let [kind, abilities, device, host, identity, run_ms] = fields[..] else {
        return Err(format!("`{text}` is no choice"));
    };
    Ok(Choice {
        kind: parse_option(kind)?.map(KindId),
        abilities: split(abilities, '+').map(parse_ability).collect::<Result<_, _>>()?,
        device: parse_vector(device)?,
        host: parse_vector(host)?,
        identity: number(identity)?,
        run_ms: number(run_ms)?,
    })
}

fn spans(spans: &[GroupId]) -> String {
    let runs: Vec<String> =
        spans.chunk_by(|one, other| one == other).map(|run| format!("{}x{}", run[0].0, run.len())).collect();
    join(&runs, ",")
}

/// Most spans in one event: what a log says is not believed without a limit.
const SPANS_MOST: usize = 1_000_000;

fn parse_spans(text: &str) -> Result<Vec<GroupId>, String> {
    let mut spans = Vec::new();
    for run in split(text, ',') {
        let (group, count) = run.split_once('x').ok_or_else(|| format!("`{run}` are no spans"))?;
        let (group, count): (u32, usize) = (number(group)?, number(count)?);
        if count > SPANS_MOST - spans.len() {
            return Err(format!("`{text}` has more than {SPANS_MOST} spans"));
        }
        spans.extend(std::iter::repeat_n(GroupId(group), count));
    }
    Ok(spans)
}

fn class_name(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "high",
        Priority::Normal => "normal",
        Priority::Batch => "batch",
    }
}

fn class(text: &str) -> Result<Priority, String> {
    [Priority::High, Priority::Normal, Priority::Batch]
        .into_iter()
        .find(|priority| class_name(*priority) == text)
        .ok_or_else(|| format!("no class is called `{text}`"))
}

fn parse_ability(text: &str) -> Result<Ability, String> {
    Ok(Ability(Arc::from(unescape(text)?)))
}

fn nothing() -> String {
    "-".to_owned()
}

fn option(value: Option<impl Display>) -> String {
    value.map_or_else(nothing, |value| value.to_string())
}

fn parse_option<T: FromStr>(text: &str) -> Result<Option<T>, String> {
    if text == "-" { Ok(None) } else { number(text).map(Some) }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number that fits here"))
}

fn join(words: &[String], between: &str) -> String {
    if words.is_empty() { nothing() } else { words.join(between) }
}

fn split(text: &str, between: char) -> impl Iterator<Item = &str> {
    text.split(between).filter(move |_| text != "-")
}

/// A text without anything that stands between words. Not empty, and not `-`.
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._".contains(&byte) || (byte == b'-' && text.len() > 1);
    let word = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    if text.is_empty() { "%".to_owned() } else { text.bytes().map(word).collect() }
}

fn unescape(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is no text");
    if text == "%" {
        return Ok(String::new());
    }
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::catalogue;

    #[test]
    fn every_event_comes_back_as_it_was() {
        let groups = vec![catalogue()[0].group.clone(), Group::default()];
        let (job, span, device) = (JobId(7), SpanId(3), DeviceId(9));
        let ability = Ability(Arc::from("encode.h264"));
        let spans = vec![GroupId(1), GroupId(0), GroupId(0)];
        let owner = Arc::from("a b|c%é-");
        let demand =
            JobDemand { job, priority: Priority::High, owner, deadline_ms: Some(5), groups: groups.clone(), spans };
        let nobody =
            JobDemand { owner: Arc::from(""), deadline_ms: None, groups: vec![], spans: vec![], ..demand.clone() };
        let capacity = groups[0].choices[0].device.clone();
        let events = [
            Event::JobSubmitted { job: demand },
            Event::JobSubmitted { job: nobody },
            Event::SpansAdded { job, groups: groups.clone(), spans: vec![GroupId(2)] },
            Event::GroupChanged { job, group: GroupId(1), choices: groups[0].clone() },
            Event::SpanFinished { job, span },
            Event::SpanFailed { job, span, again_ms: 11, blame: Some(ability.clone()) },
            Event::SpanFailed { job, span, again_ms: 11, blame: None },
            Event::AbilityFailed { job, span, ability: ability.clone() },
            Event::SpanDropped { job, span },
            Event::JobCancelled { job },
            Event::JobLost { job },
            Event::Tick,
            Event::HostChanged { capacity: Vector::default() },
            Event::DeviceUp { device: Device { id: device, kind: KindId(2), capacity } },
            Event::DeviceDown { device },
            Event::Refused { dimension: Dimension::named("nvenc.sessions"), device: None },
            Event::Refused { dimension: Dimension::named("-"), device: Some(device) },
            Event::Probed { device, ability, sound: true },
        ];
        for wanted in events {
            let words = event(&wanted);
            assert_eq!(parse_event(&words), Ok(wanted), "{words}");
        }
        assert!(parse_event("finished 1").is_err() && parse_event("failed 1 2 x -").is_err());
    }
}
