//! The layers laid over each other: for each setting the strongest value, and where it came from.

use super::layer::{Given, Layer, Origin};
use super::names::{Form, Id};
use super::secret::Secret;
use super::table::{SETTINGS, Setting};
use super::value::{Kind, Raw, Value};
use crate::model::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest file that holds a secret, bytes: a token or a key has some hundred.
const SECRET_BYTES_MAX: usize = 4096;

/// Every setting with its value.
#[derive(Clone, Debug, Default)]
pub(super) struct Settled {
    pub(super) values: BTreeMap<Id, (Value, String)>,
}

impl Settled {
    /// Lays layers, weakest first, over the defaults. What is wrong with a secret is added to `mistakes`.
    pub(super) fn new(layers: Vec<Layer>, variables: &[(OsString, OsString)], mistakes: &mut Vec<Problem>) -> Self {
        let mut given: BTreeMap<Id, Given> = BTreeMap::new();
        for layer in layers {
            for (id, value) in layer.given {
                given.insert(known_name(&given, id), value);
            }
            mistakes.extend(layer.mistakes);
        }
        let names: BTreeSet<_> =
            given.keys().filter(|id| !id.name.is_empty()).map(|id| (group(id.setting()), id.name.clone())).collect();
        let mut settled = Self::default();
        for (index, setting) in SETTINGS.iter().enumerate() {
            let named = names
                .iter()
                .filter(|(of, _)| setting.key.contains('*') && *of == group(setting))
                .map(|(_, name)| name.clone());
            let plain = (!setting.key.contains('*')).then(String::new);
            for id in named.chain(plain).map(|name| Id { index, name }) {
                let (value, from) = match given.remove(&id) {
                    None => (default(setting), Origin::Default.to_string()),
                    Some(given) => {
                        let from = origin(&given);
                        let value = revealed(&id, given, variables).unwrap_or_else(|problem| {
                            mistakes.push(problem);
                            Value::Unset
                        });
                        (value, from)
                    }
                };
                settled.values.insert(id, (value, from));
            }
        }
        settled
    }

    /// Names that were given under the part of the keys before `*`.
    pub(super) fn names(&self, prefix: &str) -> BTreeSet<String> {
        let ours = self
            .values
            .keys()
            .filter(|id| id.setting().key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(".*")));
        ours.map(|id| id.name.clone()).collect()
    }

    /// The value of a setting without a name in its key.
    pub(super) fn get<T: Take>(&self, key: &str) -> T {
        self.named(key, "")
    }

    /// The value of a setting for a name.
    pub(super) fn named<T: Take>(&self, key: &str, name: &str) -> T {
        let found = self.values.iter().find(|(id, _)| id.setting().key == key && id.name == name);
        found.and_then(|(_, (value, _))| T::take(value)).expect("the table has the key, and values of this type for it")
    }

    /// Where a value came from.
    pub(super) fn origin(&self, key: &str, name: &str) -> &str {
        let found = self.values.iter().find(|(id, _)| id.setting().key == key && id.name == name);
        found.map_or("default", |(_, (_, from))| from)
    }
}

/// The part of a key up to its name: settings that share it belong to one thing.
fn group(setting: &Setting) -> &'static str {
    setting.key.split_once('*').map_or("", |(group, _)| group)
}

/// The environment cannot write `-` and `.`: there `media_eu` means the `media-eu` of the file, if that is there.
fn known_name(given: &BTreeMap<Id, Given>, id: Id) -> Id {
    let plain = |name: &str| name.replace(['-', '.'], "_");
    let same = |other: &&Id| group(other.setting()) == group(id.setting()) && plain(&other.name) == plain(&id.name);
    let exact = given.keys().any(|other| group(other.setting()) == group(id.setting()) && other.name == id.name);
    match given.keys().find(same).filter(|_| !exact && !id.name.is_empty()) {
        Some(other) => Id { index: id.index, name: other.name.clone() },
        None => id,
    }
}

fn default(setting: &Setting) -> Value {
    if setting.default.is_empty() {
        let list = matches!(setting.kind, Kind::Paths | Kind::Hosts);
        return if list { Value::List(Vec::new()) } else { Value::Unset };
    }
    setting.kind.read(&Raw::Plain(setting.default.to_owned())).unwrap_or(Value::Unset)
}

fn origin(given: &Given) -> String {
    match given.form {
        Form::Plain => given.origin.to_string(),
        Form::File | Form::Env => format!("{}, from {}", given.origin, given.value.shown()),
    }
}

/// The value itself, where it lies in a file or in a variable.
fn revealed(id: &Id, given: Given, variables: &[(OsString, OsString)]) -> Result<Value, Problem> {
    let wrong = |what: String| Problem::input("config.secret", format!("{}: {what}", given.origin)).at(id.key());
    let place = given.value.shown();
    let text = match (given.form, &given.value) {
        (Form::Plain, _) => return Ok(given.value),
        (Form::File, Value::Path(path)) => read_secret(path).map_err(|what| wrong(format!("{place} {what}")))?,
        _ => {
            let found = variables.iter().find(|(name, _)| name.to_str() == Some(place.as_str()));
            let text = found.and_then(|(_, value)| value.to_str()).map(str::to_owned);
            text.ok_or_else(|| wrong(format!("the variable {place} is not set, or is not UTF-8")))?
        }
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(wrong(format!("{place} must hold the secret, on one line")));
    }
    Ok(Value::Secret(Secret::new(text)))
}

fn read_secret(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err(format!("is larger than {SECRET_BYTES_MAX} bytes, so it is no secret"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

/// A type that a value can be taken as.
pub(super) trait Take: Sized {
    /// The value, if it is of this type.
    fn take(value: &Value) -> Option<Self>;
}

macro_rules! take {
    ($($type:ty: $pattern:pat => $value:expr),+ $(,)?) => {
        $(impl Take for $type {
            fn take(value: &Value) -> Option<Self> {
                match value { $pattern => Some($value), _ => None }
            }
        })+
    };
}

take! {
    bool: Value::Flag(flag) => *flag,
    u64: Value::Number(number) | Value::Bytes(number) | Value::Money(number) => *number,
    Duration: Value::Time(time) => *time,
    SocketAddr: Value::Address(address) => *address,
    String: Value::Text(text) => text.clone(),
    PathBuf: Value::Path(path) => path.clone(),
    Vec<PathBuf>: Value::List(list) => list.iter().map(PathBuf::from).collect(),
    Vec<String>: Value::List(list) => list.clone(),
    Secret: Value::Secret(secret) => secret.clone(),
}

impl Take for u32 {
    fn take(value: &Value) -> Option<Self> {
        u64::take(value).and_then(|number| number.try_into().ok())
    }
}

impl<T: Take> Take for Option<T> {
    fn take(value: &Value) -> Option<Self> {
        if *value == Value::Unset { Some(None) } else { T::take(value).map(Some) }
    }
}
