//! What a configuration file says, with the line of each value and of each mistake.

use super::layer::{Layer, Origin};
use super::names::{self, Form};
use super::value::{Kind, Raw, Value};
use crate::model::Problem;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Largest configuration file, bytes: a thousand buckets fit many times over.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads a file. All of its mistakes are found, not only the first.
pub(super) fn read(path: &Path) -> Layer {
    let text = match text_of(path) {
        Ok(text) => text,
        Err(message) => {
            let message = format!("{}: {message}", path.display());
            return Layer { mistakes: vec![Problem::input("config.file", message)], ..Layer::default() };
        }
    };
    let mut reader = Reader { path, text: &text, layer: Layer::default(), broken: BTreeSet::new(), lines: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in errors {
        let line = reader.line(&error.span().unwrap_or_default());
        // Of what follows from one mistake only the first is told.
        if reader.broken.insert(line) {
            reader.mistake(line, "config.file", &format!("this is no TOML: {}", error.message()), "");
        }
    }
    reader.table(table.get_ref(), &mut Vec::new());
    reader.end()
}

/// The text of a file, or what is wrong.
fn text_of(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("the file cannot be read: {error}");
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("the file is larger than {} MiB", FILE_BYTES_MAX >> 20));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    layer: Layer,
    /// Lines that are no TOML: nothing else is said of them.
    broken: BTreeSet<usize>,
    /// The line of each mistake.
    lines: Vec<usize>,
}

impl Reader<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn mistake(&mut self, line: usize, code: &str, message: &str, key: &str) {
        let message = format!("{}:{line}: {message}", self.path.display());
        self.push(line, Problem { field: key.to_owned(), ..Problem::input(code, message) });
    }

    fn push(&mut self, line: usize, problem: Problem) {
        self.layer.mistakes.push(problem);
        self.lines.push(line);
    }

    fn table(&mut self, table: &DeTable<'_>, path: &mut Vec<String>) {
        for (key, value) in table {
            let line = self.line(&key.span());
            path.push(key.get_ref().to_string());
            if !self.broken.contains(&line) {
                self.entry(line, value.get_ref(), path);
            }
            path.pop();
        }
    }

    fn entry(&mut self, line: usize, value: &DeValue<'_>, path: &mut Vec<String>) {
        let key = path.join(".");
        match (names::of_path(path), value) {
            (None, DeValue::Table(table)) if names::is_table(path) || !table.is_empty() => self.table(table, path),
            (None, DeValue::Array(_)) if names::is_table(path) => {
                let message = format!("`{key}` is no list: write one table for each, such as [{key}.NAME]");
                self.mistake(line, "config.value", &message, &key);
            }
            (None, _) => {
                let near = names::nearest_key(path);
                let message = format!("`{}` is no setting: the nearest one is `{near}`", key.escape_debug());
                self.mistake(line, "config.unknown", &message, &key);
            }
            (Some((id, Form::Plain)), _) if id.setting().kind == Kind::Secret(false) => {
                let message = format!(
                    "`{key}` is a secret and must not stand in this file: write {key}_file = \"PATH\" or \
                     {key}_env = \"NAME\", or set {}",
                    names::variable(&key)
                );
                self.mistake(line, "config.secret", &message, &key);
            }
            (Some((id, form)), value) => {
                let origin = Origin::File(self.path.to_owned(), line);
                let known = self.layer.mistakes.len();
                self.layer.add(id.clone(), form, &raw(value), origin, &format!("`{key}`"));
                self.lines.resize(self.lines.len() + self.layer.mistakes.len() - known, line);
                if let Some(given) = self.layer.given.get_mut(&id) {
                    below(self.path, id.setting().kind, &mut given.value);
                }
            }
        }
    }

    /// Mistakes in the order of the file: tables are sorted by name.
    fn end(self) -> Layer {
        let mut mistakes: Vec<_> = self.lines.into_iter().zip(self.layer.mistakes).collect();
        mistakes.sort_by_key(|(line, _)| *line);
        Layer { given: self.layer.given, mistakes: mistakes.into_iter().map(|(_, problem)| problem).collect() }
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => Raw::Number(u64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Array(list) => {
            let texts = list.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect::<Option<_>>();
            texts.map_or(Raw::Other("a list of anything but strings"), Raw::List)
        }
        DeValue::Table(_) => Raw::Other("a table"),
        DeValue::Float(_) => Raw::Other("a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
    }
}

/// Makes relative paths start from the directory of the file, so that it does not matter where the daemon is started.
fn below(file: &Path, kind: Kind, value: &mut Value) {
    let directory = file.parent().unwrap_or(Path::new(""));
    match value {
        Value::Path(path) => *path = directory.join(&*path),
        Value::List(list) if kind == Kind::Paths => {
            for path in list.iter_mut() {
                *path = directory.join(&*path).display().to_string();
            }
        }
        Value::Text(text) if kind == Kind::Devices => {
            if let Some(simulated) = text.strip_prefix("sim:") {
                *text = format!("sim:{}", directory.join(simulated).display());
            }
        }
        _ => {}
    }
}
