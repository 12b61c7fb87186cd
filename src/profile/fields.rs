//! Typed fields out of a profile's tree. Every mistake is noted with its file and line, and reading goes on.

use super::node::{Entry, Node, Value};
use crate::model::Problem;
use serde::Deserialize;
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};

/// How alike two names must be for one to be proposed for the other: a letter or two apart, not another word.
const LIKENESS_MIN: f64 = 0.7;

/// Notes mistakes of one file.
pub(super) struct Notes<'f> {
    /// The file as it is named to people.
    pub(super) file: &'f str,
    pub(super) problems: Vec<Problem>,
}

impl Notes<'_> {
    /// Notes a mistake.
    pub(super) fn add(&mut self, line: usize, code: &str, message: impl AsRef<str>) {
        self.problems.push(Problem::input(code, format!("{}:{line}: {}", self.file, message.as_ref())));
    }

    /// Notes a value that cannot be used.
    pub(super) fn value(&mut self, line: usize, message: impl AsRef<str>) {
        self.add(line, "profile.value", message);
    }

    /// The fields of a table, of which only `known` ones may be there.
    pub(super) fn fields<'n>(&mut self, what: &str, node: &'n Node, known: &[&str]) -> Fields<'n> {
        let Value::Table(entries) = &node.value else {
            self.value(node.line, format!("{what} must be a table, not {}", kind(&node.value)));
            return Fields { line: node.line, entries: &[] };
        };
        for (i, entry) in entries.iter().enumerate() {
            let key = &entry.key;
            if entries[..i].iter().any(|before| before.key == *key) {
                self.add(entry.line, "profile.syntax", format!("`{key}` is there twice: keep one"));
            }
            if known.contains(&key.as_str()) {
                continue;
            }
            let near = nearest(key, known).map_or_else(
                || format!("known keys are {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.add(entry.line, "profile.unknown_key", format!("{what} has no key `{key}`; {near}"));
        }
        Fields { line: node.line, entries }
    }

    /// A text.
    pub(super) fn text<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<(&'n str, usize)> {
        let node = fields.get(key)?;
        match &node.value {
            Value::Text(text) => Some((text, node.line)),
            other => {
                self.value(node.line, format!("`{key}` must be a text in quotes, not {}", kind(other)));
                None
            }
        }
    }

    /// A whole number from 0.
    pub(super) fn whole(&mut self, fields: &Fields<'_>, key: &str, max: u64) -> Option<u64> {
        let node = fields.get(key)?;
        let number = match node.value {
            Value::Whole(number) => u64::try_from(number).ok().filter(|number| *number <= max),
            _ => None,
        };
        if number.is_none() {
            self.value(node.line, format!("`{key}` must be a whole number from 0 to {max}"));
        }
        number
    }

    /// True or false.
    pub(super) fn truth(&mut self, fields: &Fields<'_>, key: &str) -> Option<bool> {
        let node = fields.get(key)?;
        match &node.value {
            Value::Truth(truth) => Some(*truth),
            other => {
                self.value(node.line, format!("`{key}` must be true or false, not {}", kind(other)));
                None
            }
        }
    }

    /// One of the names of a type.
    pub(super) fn word<T: for<'de> Deserialize<'de>>(&mut self, fields: &Fields<'_>, key: &str) -> Option<T> {
        let (text, line) = self.text(fields, key)?;
        self.named(key, text, line)
    }

    /// A list of names of a type.
    pub(super) fn words<T: for<'de> Deserialize<'de>>(&mut self, fields: &Fields<'_>, key: &str) -> Vec<T> {
        let mut words = Vec::new();
        for node in self.list(fields, key) {
            match &node.value {
                Value::Text(text) => words.extend(self.named(key, text, node.line)),
                other => {
                    self.value(node.line, format!("`{key}` must hold texts in quotes, not {}", kind(other)));
                }
            }
        }
        words
    }

    /// A value of a type of its own, as that reads itself.
    pub(super) fn typed<T: DeserializeOwned>(&mut self, fields: &Fields<'_>, key: &str) -> Option<T> {
        let node = fields.get(key)?;
        match T::deserialize(json(node)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.value(node.line, format!("`{key}`: {error}"));
                None
            }
        }
    }

    /// The members of a list.
    pub(super) fn list<'n>(&mut self, fields: &Fields<'n>, key: &str) -> &'n [Node] {
        let Some(node) = fields.get(key) else { return &[] };
        match &node.value {
            Value::List(nodes) => nodes,
            other => {
                self.value(node.line, format!("`{key}` must be a list, as in [\"…\"], not {}", kind(other)));
                &[]
            }
        }
    }

    fn named<T: for<'de> Deserialize<'de>>(&mut self, key: &str, text: &str, line: usize) -> Option<T> {
        let reader: StrDeserializer<'_, WordError> = text.into_deserializer();
        match T::deserialize(reader) {
            Ok(value) => Some(value),
            Err(error) => {
                self.value(line, format!("`{key}`: {error}"));
                None
            }
        }
    }
}

/// A value without the lines that it stands on. What no field takes becomes null.
fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Text(text) => text.as_str().into(),
        Value::Whole(number) => (*number).into(),
        Value::Truth(truth) => (*truth).into(),
        Value::List(nodes) => nodes.iter().map(json).collect(),
        Value::Table(entries) => entries.iter().map(|entry| (entry.key.clone(), json(&entry.node))).collect(),
        Value::Other(_) => serde_json::Value::Null,
    }
}

/// The fields of a table.
pub(super) struct Fields<'n> {
    /// Where the table begins.
    pub(super) line: usize,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    /// A field's value.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// All of them.
    pub(super) fn entries(&self) -> &'n [Entry] {
        self.entries
    }

    /// The line of a field, or else that of the table.
    pub(super) fn line_of(&self, key: &str) -> usize {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.line, |entry| entry.line)
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "a text",
        Value::Whole(_) => "a number",
        Value::Truth(_) => "true or false",
        Value::List(_) => "a list",
        Value::Table(_) => "a table",
        Value::Other(name) => name,
    }
}

fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let likeness = |key: &&str| strsim::jaro_winkler(name, key);
    let best = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) >= LIKENESS_MIN).then_some(best)
}
