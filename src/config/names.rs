//! Names of settings: as keys of a file, as variables of the environment, and which known one a misspelt one is near.

use super::table::{SETTINGS, Setting};
use super::value::Kind;

/// What variables of the environment begin with.
pub(super) const PREFIX: &str = "REELMILL_";
/// Variables that begin so and are no settings: what they are for.
pub(super) const OTHERS: &[(&str, &str)] = &[
    ("REELMILL_CONFIG", "The configuration file, where `--config` names none."),
    ("REELMILL_ENDPOINT", "The daemon that client commands speak to, where `--endpoint` names none."),
    ("REELMILL_TOKEN", "The bearer token of client commands, where `--token-file` names none."),
    ("REELMILL_WORKER", "The program `reelmill-worker`, where it does not lie beside `reelmill`."),
];
/// Beginnings of variables that tests and build scripts use; they say nothing to a daemon.
const OF_TESTS: &[&str] =
    &["REELMILL_BLESS", "REELMILL_CORPUS", "REELMILL_IN_NAMESPACE", "REELMILL_TEST_", "REELMILL_UNDER_TEST"];

/// How a value is given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// A secret, by the path of a file that holds it: `…_file`.
    File,
    /// A secret, by the name of a variable that holds it: `…_env`.
    Env,
}

impl Form {
    const ALL: [Self; 3] = [Self::Plain, Self::File, Self::Env];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::File => "_file",
            Self::Env => "_env",
        }
    }
}

/// A setting of the table, with the name where its key has one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Id {
    /// Index into the table.
    pub(super) index: usize,
    /// What stands for `*`; empty where there is none.
    pub(super) name: String,
}

impl Id {
    /// The row of the table.
    pub(super) fn setting(&self) -> &'static Setting {
        &SETTINGS[self.index]
    }

    /// The key with the name in it.
    pub(super) fn key(&self) -> String {
        let quoted = self.name.contains('.');
        let name = if quoted { format!("\"{}\"", self.name) } else { self.name.clone() };
        self.setting().key.replacen('*', &name, 1)
    }
}

/// Ways in which a row can be written: all settings as they are, secrets also by file and variable.
fn forms(setting: &Setting) -> impl Iterator<Item = Form> {
    let secret = matches!(setting.kind, Kind::Secret(_));
    Form::ALL.into_iter().filter(move |form| secret || *form == Form::Plain)
}

/// Every way to write every setting: index, form, key.
fn spellings() -> impl Iterator<Item = (usize, Form, String)> {
    let all = |(index, setting): (usize, &'static Setting)| {
        forms(setting).map(move |form| (index, form, format!("{}{}", setting.key, form.suffix())))
    };
    SETTINGS.iter().enumerate().flat_map(all)
}

/// The setting that a path in a file means.
pub(super) fn of_path(path: &[String]) -> Option<(Id, Form)> {
    spellings().find_map(|(index, form, key)| {
        let parts: Vec<_> = key.split('.').collect();
        let fits =
            parts.len() == path.len() && parts.iter().zip(path).all(|(part, given)| *part == "*" || part == given);
        let name = parts.iter().position(|part| *part == "*").and_then(|at| path.get(at)).cloned();
        fits.then(|| (Id { index, name: name.unwrap_or_default() }, form))
    })
}

/// Whether keys of the table go on below this path.
pub(super) fn is_table(path: &[String]) -> bool {
    SETTINGS.iter().any(|setting| {
        let mut parts = setting.key.split('.');
        let begins = path.iter().all(|given| parts.next().is_some_and(|part| part == "*" || part == given));
        begins && parts.next().is_some()
    })
}

/// The setting that a variable means; `None` for one that is none of ours to read.
pub(super) fn of_variable(name: &str) -> Option<(Id, Form)> {
    let rest = name.strip_prefix(PREFIX)?;
    let path: Vec<_> = rest.split("__").map(str::to_lowercase).collect();
    // Only upper case, so that one setting has one name.
    let found = of_path(&path).filter(|_| rest == rest.to_uppercase());
    // By the name of a variable would be one step too many.
    found.filter(|(_, form)| *form != Form::Env)
}

/// Whether a variable that begins like ours has another use.
pub(super) fn is_other_variable(name: &str) -> bool {
    OTHERS.iter().any(|(other, _)| *other == name) || OF_TESTS.iter().any(|start| name.starts_with(start))
}

/// The variable for a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// The known key that is nearest to a path in a file, with the path's own name in the place of `*`.
pub(super) fn nearest_key(path: &[String]) -> String {
    let given = path.join(".");
    let last = path.last().map_or("", String::as_str);
    let candidates = spellings().map(|(_, _, key)| (key.ends_with('*'), named(&key, path)));
    let distance = |(is_any, key): &(bool, String)| {
        let whole = strsim::damerau_levenshtein(&given, key);
        // The right name in the wrong table; where any name is right, that says nothing.
        let end = key.rsplit('.').next().filter(|_| !is_any);
        let moved = end.map_or(usize::MAX, |end| 1 + 2 * strsim::damerau_levenshtein(last, end));
        (whole.min(moved), whole)
    };
    candidates.min_by_key(distance).map(|(_, key)| key).unwrap_or_default()
}

/// The known variable that is nearest to this one.
pub(super) fn nearest_variable(name: &str) -> String {
    let path: Vec<_> = name.trim_start_matches(PREFIX).split("__").map(str::to_lowercase).collect();
    let ours = spellings().filter(|(_, form, _)| *form != Form::Env).map(|(_, _, key)| variable(&named(&key, &path)));
    let all = ours.chain(OTHERS.iter().map(|(other, _)| (*other).to_owned()));
    all.min_by_key(|known| strsim::damerau_levenshtein(name, known)).unwrap_or_default()
}

/// A key with the part of the path that stands in the place of `*`.
fn named(key: &str, path: &[String]) -> String {
    let at = key.split('.').position(|part| part == "*");
    let name = at.and_then(|at| path.get(at)).map_or("NAME", String::as_str);
    key.replacen('*', name, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(key: &str) -> Vec<String> {
        key.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn every_key_and_every_variable_means_one_setting() {
        for (index, form, key) in spellings() {
            let id = Id { index, name: if key.contains('*') { "x".into() } else { String::new() } };
            let key = key.replacen('*', "x", 1);
            assert_eq!(of_path(&path(&key)), Some((id.clone(), form)), "{key}");
            if form != Form::Env {
                assert_eq!(of_variable(&variable(&key)), Some((id, form)), "{key}");
            }
        }
        assert!(is_table(&path("s3.buckets.any")) && !is_table(&path("s3.endpoint")) && !is_table(&path("s4")));
    }

    #[test]
    fn a_misspelt_name_is_told_the_nearest_known_one() {
        for (given, nearest) in [
            ("grcp.listen", "grpc.listen"),
            ("expire_after", "jobs.expire_after"),
            ("s3.end_point", "s3.endpoint"),
            ("s3.buckets.eu.regoin", "s3.buckets.eu.region"),
            ("tokens.ci.secret_fle", "tokens.ci.secret_file"),
            ("statedir", "state_dir"),
            ("upload.retry.attempts", "upload.retry.attempts_max"),
        ] {
            assert_eq!(nearest_key(&path(given)), nearest, "{given}");
        }
        for (given, nearest) in [
            ("REELMILL_GRPC_LISTEN", "REELMILL_GRPC__LISTEN"),
            ("REELMILL_TOKENS__CI__SECRETS", "REELMILL_TOKENS__CI__SECRET"),
            ("REELMILL_ENDPONT", "REELMILL_ENDPOINT"),
            ("REELMILL_state_dir", "REELMILL_STATE_DIR"),
        ] {
            assert_eq!((of_variable(given), nearest_variable(given)), (None, nearest.into()), "{given}");
        }
    }
}
