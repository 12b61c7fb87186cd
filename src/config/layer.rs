//! What one source of settings says: the environment, or the command line. `file.rs` has the third.

use super::names::{self, Form, Id, PREFIX};
use super::value::{Kind, Raw, Value, is_name};
use crate::model::Problem;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// The table.
    Default,
    /// A line of a file.
    File(PathBuf, usize),
    /// A variable of the environment.
    Variable(String),
    /// An option of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "{name}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// A value of a layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Given {
    pub(super) form: Form,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What one source of settings says, and everything that is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Layer {
    pub(super) given: BTreeMap<Id, Given>,
    pub(super) mistakes: Vec<Problem>,
}

impl Layer {
    /// Adds a value, or what is wrong with it. `written` is how the setting is named in this layer.
    pub(super) fn add(&mut self, id: Id, form: Form, raw: &Raw, origin: Origin, written: &str) {
        let key = id.key();
        if id.setting().key.contains('*') && !is_name(&id.name) {
            let message = format!(
                "{origin}: `{}` cannot be a name: write up to 63 of a-z, 0-9, `-`, `_` and `.`, \
                 beginning with a letter or digit",
                id.name.escape_debug()
            );
            return self.mistakes.push(Problem::input("config.value", message).at(key));
        }
        let kind = match form {
            Form::Plain => id.setting().kind,
            Form::File => Kind::Path,
            Form::Env => Kind::Text,
        };
        match kind.read(raw) {
            Ok(value) => {
                if let Some(other) = self.given.get(&id) {
                    let message = format!("{origin}: {written} is given already at {}; leave one out", other.origin);
                    return self.mistakes.push(Problem::input("config.value", message).at(key));
                }
                self.given.insert(id, Given { form, value, origin });
            }
            Err(allowed) => {
                let message = format!("{origin}: {written} cannot be {}: write {allowed}", shown(raw, kind));
                self.mistakes.push(Problem::input("config.value", message).at(key));
            }
        }
    }
}

/// A wrong value for a sentence: short, and not where it may be a secret.
fn shown(raw: &Raw, kind: Kind) -> String {
    let text = match raw {
        _ if matches!(kind, Kind::Secret(_)) => return "this".to_owned(),
        Raw::Plain(text) | Raw::Text(text) => text.clone(),
        Raw::Number(Some(number)) => number.to_string(),
        Raw::Number(None) => return "such a number".to_owned(),
        Raw::Flag(flag) => flag.to_string(),
        Raw::List(list) => list.join(", "),
        Raw::Other(what) => return (*what).to_owned(),
    };
    let short: String = text.chars().take(80).collect();
    format!("`{}`", short.escape_debug())
}

/// What the environment says. An empty variable says nothing, as compose files leave them.
pub(super) fn of_environment(variables: &[(OsString, OsString)]) -> Layer {
    let mut layer = Layer::default();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if names::is_other_variable(name) || value.is_empty() {
            continue;
        }
        let Some((id, form)) = names::of_variable(name) else {
            let near = names::nearest_variable(name);
            let message = format!("the variable {} is no setting: the nearest one is {near}", name.escape_debug());
            layer.mistakes.push(Problem::input("config.unknown", message).at(name));
            continue;
        };
        let Some(text) = value.to_str() else {
            let message = format!("the variable {name} is not UTF-8");
            layer.mistakes.push(Problem::input("config.value", message).at(id.key()));
            continue;
        };
        layer.add(id, form, &Raw::Plain(text.to_owned()), Origin::Variable(name.to_owned()), "the setting");
    }
    layer
}

/// What the command line says: the option as it was written, the key it means, and the value.
pub(super) fn of_flags(flags: &[(String, String, OsString)]) -> Layer {
    let mut layer = Layer::default();
    for (flag, key, value) in flags {
        let path: Vec<_> = key.split('.').map(str::to_owned).collect();
        let Some((id, form)) = names::of_path(&path) else {
            let near = names::nearest_key(&path);
            let message = format!("{flag}: `{}` is no setting: the nearest one is `{near}`", key.escape_debug());
            layer.mistakes.push(Problem::input("config.unknown", message).at(key));
            continue;
        };
        if form == Form::Plain && id.setting().kind == Kind::Secret(false) {
            let message = format!(
                "{flag}: everybody on this machine sees a command line, so `{key}` is not taken there: \
                 write {key}_file=PATH"
            );
            layer.mistakes.push(Problem::input("config.secret", message).at(key));
            continue;
        }
        let Some(text) = value.to_str() else {
            let message = format!("{flag}: the value is not UTF-8");
            layer.mistakes.push(Problem::input("config.value", message).at(key));
            continue;
        };
        layer.add(id, form, &Raw::Plain(text.to_owned()), Origin::Flag(flag.clone()), "the setting");
    }
    layer
}
