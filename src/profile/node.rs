//! A profile's file as a tree that knows its lines, the same for TOML and JSON.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Deepest nesting that is read: profiles need four levels.
const DEPTH_MAX: usize = 16;

/// A value and the line that it begins on, from 1.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Text(String),
    Whole(i64),
    Truth(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// Something that no field takes, by its name.
    Other(&'static str),
}

/// A key and its value.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

/// Reads TOML. On failure every mistake: line and what is wrong.
pub(super) fn toml(text: &str) -> Result<Node, Vec<(usize, String)>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let told = |error: &toml::de::Error| {
            (line_at(text, error.span().map_or(0, |span| span.start)), error.message().to_owned())
        };
        let mut mistakes: Vec<_> = errors.iter().map(told).collect();
        mistakes.sort();
        return Err(mistakes);
    }
    let lines = Lines(text);
    Ok(Node { line: 1, value: lines.table(table.get_ref()) })
}

/// Reads JSON. On failure the mistake: line and what is wrong.
pub(super) fn json(text: &str) -> Result<Node, Vec<(usize, String)>> {
    let told = |error: &serde_json::Error| {
        let message = error.to_string();
        let plain = message.rsplit_once(" at line ").map_or(message.as_str(), |(plain, _)| plain);
        vec![(error.line().max(1), plain.to_owned())]
    };
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| told(&error))?;
    json_node(text, whole, 0).map_err(|message| vec![(1, message)])
}

struct Lines<'t>(&'t str);

impl Lines<'_> {
    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let line = line_at(self.0, value.span().start);
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Other("a huge number"), Value::Whole)
            }
            DeValue::Boolean(truth) => Value::Truth(*truth),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => self.table(table),
            DeValue::Float(_) => Value::Other("a fraction"),
            DeValue::Datetime(_) => Value::Other("a date"),
        };
        Node { line, value }
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                line: line_at(self.0, key.span().start),
                node: self.node(value),
            })
            .collect();
        entries.sort_by_key(|entry| entry.line);
        Value::Table(entries)
    }
}

/// The members of a JSON object in their order, each still as text.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The value of a piece of `text`. A raw value is borrowed from the text, so that its address says where it stands.
fn json_node(text: &str, raw: &RawValue, depth: usize) -> Result<Node, String> {
    if depth > DEPTH_MAX {
        return Err(format!("values are nested more than {DEPTH_MAX} deep"));
    }
    let piece = raw.get();
    let line = line_at(text, (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize));
    let said = |error: serde_json::Error| error.to_string();
    let value = match piece.as_bytes().first() {
        Some(b'{') => {
            let members: Members<'_> = serde_json::from_str(piece).map_err(said)?;
            let entries = members
                .0
                .into_iter()
                .map(|(key, raw)| json_node(text, raw, depth + 1).map(|node| Entry { key, line: node.line, node }));
            Value::Table(entries.collect::<Result<_, _>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(piece).map_err(said)?;
            let items = items.into_iter().map(|raw| json_node(text, raw, depth + 1));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(piece).map_err(said)?),
        Some(b't' | b'f') => Value::Truth(piece == "true"),
        Some(b'n') => Value::Other("null"),
        _ => piece.parse().map_or(Value::Other("a fraction"), Value::Whole),
    };
    Ok(Node { line, value })
}

fn line_at(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count() + 1
}
