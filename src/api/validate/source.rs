//! Sources: where they lie, and which part of them is taken.

use super::found::{self, Found};
use super::{path, place};
use crate::api::settings::Rules;
use crate::api::v1;
use crate::model::joined::CONCAT_MAX;
use crate::model::spec::SourceSpec;
use crate::model::{Locator, Problem};
use url::Url;

/// Stands in for what could not be read; a specification with problems is never given out.
fn nowhere() -> Locator {
    Locator::File("/".into())
}

/// The sources of a job, in its order.
pub(super) fn sources(asked: &[v1::SourceSpec], rules: &Rules, found: &mut Found) -> Vec<SourceSpec> {
    let mut sources: Vec<SourceSpec> = Vec::new();
    let mut ids = Vec::new();
    for (index, source) in asked.iter().enumerate() {
        let field = path(&format!("sources[{index}]"));
        let id = found::id(found, &field, &source.id, format!("source-{}", index + 1), &ids);
        ids.push(id.clone());
        let uri = format!("{field}.uri");
        if !source.concat_source_ids.is_empty() {
            nothing_else(&field, source, found);
            sources.push(SourceSpec { id, locator: None, ..SourceSpec::default() });
            continue;
        }
        let located = locator(&source.uri, rules);
        let start_us = found.micros(&format!("{field}.start"), source.start.as_ref());
        let end_us = found.micros(&format!("{field}.end"), source.end.as_ref());
        if end_us.is_some_and(|end| end <= start_us.unwrap_or(0)) {
            let message = "the source ends before it begins: give an end after its start";
            found.add(format!("{field}.end"), "request.trim", message);
        }
        let locator = found.take(&uri, located).unwrap_or_else(nowhere);
        sources.push(SourceSpec { id, locator: Some(locator), start_us, end_us, ..SourceSpec::default() });
    }
    for (index, source) in asked.iter().enumerate().filter(|(_, source)| !source.concat_source_ids.is_empty()) {
        sources[index].concat = parts(index, &source.concat_source_ids, &sources, found);
        sources[index].concat_like = like(index, &source.concat_like_source_id, &sources, found);
    }
    for (index, source) in asked.iter().enumerate() {
        if source.concat_source_ids.is_empty() && !source.concat_like_source_id.is_empty() {
            let field = path(&format!("sources[{index}].concat_like_source_id"));
            found.add(field, "request.concat", "this source is not joined of others: leave it out");
        }
    }
    sources
}

/// The part that decides what the whole is like.
fn like(index: usize, id: &str, sources: &[SourceSpec], found: &mut Found) -> Option<usize> {
    if id.is_empty() {
        return None;
    }
    let part = sources[index].concat.iter().copied().find(|part| sources[*part].id == id);
    if part.is_none() {
        let field = path(&format!("sources[{index}].concat_like_source_id"));
        found.add(field, "request.concat", "this is none of `concat_source_ids`: name one of them");
    }
    part
}

/// A joined source lies nowhere, and what is cut are its parts.
fn nothing_else(field: &str, source: &v1::SourceSpec, found: &mut Found) {
    let given = [("uri", !source.uri.is_empty()), ("start", source.start.is_some()), ("end", source.end.is_some())];
    for (name, _) in given.into_iter().filter(|(_, given)| *given) {
        let message = format!("a source that is joined of others has no {name} of its own: leave it out");
        found.add(format!("{field}.{name}"), "request.concat", message);
    }
}

/// The sources that one is joined of.
fn parts(index: usize, ids: &[String], sources: &[SourceSpec], found: &mut Found) -> Vec<usize> {
    let field = path(&format!("sources[{index}].concat_source_ids"));
    if !(2..=CONCAT_MAX).contains(&ids.len()) {
        let message = format!("{} sources cannot be joined: name 2 to {CONCAT_MAX}", ids.len());
        found.add(field, "request.concat", message);
        return Vec::new();
    }
    let mut parts = Vec::new();
    for (nth, id) in ids.iter().enumerate() {
        let refusal = match sources.iter().position(|source| source.id == *id) {
            None => "the job has no source of this id: name one of `sources`",
            Some(part) if sources[part].locator.is_none() => {
                "this source is joined of others itself: name those instead"
            }
            Some(part) => {
                parts.push(part);
                continue;
            }
        };
        found.add(format!("{field}[{nth}]"), "request.concat", refusal);
    }
    parts
}

/// Where a source lies, checked against the node's rules.
///
/// # Errors
/// `request.locator`, `request.bucket`, `request.source`, `request.root`, `request.url`.
pub(in crate::api) fn locator(uri: &str, rules: &Rules) -> Result<Locator, Problem> {
    let locator: Locator = uri.parse()?;
    match &locator {
        Locator::File(path) => place::check_path(path, rules.source_roots.as_deref(), "request.source")?,
        Locator::S3 { key, .. } => {
            place::check_key(key, "request.source")?;
            if key.is_empty() || key.ends_with('/') {
                let message = "the key is that of a directory, or missing: name one object, as in s3://bucket/key";
                return Err(Problem::input("request.source", message));
            }
        }
        Locator::Http(address) => {
            let refuse = |why: String| Problem::input("request.url", format!("the address {why}"));
            let url = Url::parse(address).map_err(|error| refuse(format!("cannot be read: {error}")))?;
            (rules.source_rule)(&url).map_err(|why| refuse(format!("{why}; give another one")))?;
        }
    }
    Ok(locator)
}
