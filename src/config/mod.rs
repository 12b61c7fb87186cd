//! The configuration of the daemon: a file, then the environment, then the command line, where the later one wins.
//!
//! `table.rs` lists every setting; everything else follows from it. All mistakes are found in one go, each with the
//! line or the variable that it stands in. Secrets come from files or the environment, and no form of output shows
//! them.

mod build;
mod file;
mod layer;
mod names;
mod reference;
mod secret;
mod settled;
mod table;
mod types;
mod value;

pub use reference::reference;
pub use secret::{HIDDEN, Secret};
pub use types::{
    Api, Cache, Checksums, Config, Http, Jobs, LogFormat, MetricsLabels, Outputs, Prices, Roots, S3, S3Bucket,
    S3Credentials, S3Store, Shutdown, Sources, Spool, Tls, Token, Traces, Upload, Usage, Webhooks,
};

use crate::model::Problem;
use serde::Serialize;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where settings come from, weakest first. It holds the environment, secrets with it, so it has no `Debug` form.
#[derive(Clone, Default)]
pub struct Given {
    /// The configuration file; `None` for `REELMILL_CONFIG`, or none at all.
    pub file: Option<PathBuf>,
    /// The environment, whole: what is no `REELMILL_…` is read only where a `…_env` names it.
    pub environment: Vec<(OsString, OsString)>,
    /// The command line: the option as it was written, the key that it sets, the value.
    pub flags: Vec<(String, String, OsString)>,
}

/// A setting as it is in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Effective {
    /// Its key.
    pub key: String,
    /// As it would be written; empty when it is not set, and [`HIDDEN`] for a secret.
    pub value: String,
    /// `default`, `file:line`, the name of a variable, or an option.
    pub from: String,
}

/// What came of reading all of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Every setting that was understood, in the order of the reference.
    pub effective: Vec<Effective>,
    /// The configuration, or everything that is wrong.
    pub config: Result<Config, Vec<Problem>>,
}

/// Reads the configuration.
///
/// # Errors
/// In [`Loaded::config`], all at once: `config.file` (it cannot be read, or is no TOML), `config.unknown` (a name that
/// is no setting, with the nearest one), `config.value` (with what is allowed), `config.secret` (it stands where it
/// must not, or cannot be read). `field` is the key.
pub fn load(given: &Given) -> Loaded {
    let variable = || given.environment.iter().find(|(name, _)| name == "REELMILL_CONFIG").map(|(_, path)| path.into());
    let path = given.file.clone().or_else(variable).filter(|path: &PathBuf| !path.as_os_str().is_empty());
    let layers = vec![
        path.as_deref().map(file::read).unwrap_or_default(),
        layer::of_environment(&given.environment),
        layer::of_flags(&given.flags),
    ];
    let mut mistakes = Vec::new();
    let settled = settled::Settled::new(layers, &given.environment, &mut mistakes);
    let effective = settled.values.iter().map(|(id, (value, from))| Effective {
        key: id.key(),
        value: value.shown(),
        from: from.clone(),
    });
    let effective = effective.collect();
    build::check(&settled, &mut mistakes);
    let config = if mistakes.is_empty() { Ok(Config::new(&settled)) } else { Err(mistakes) };
    Loaded { effective, config }
}

#[cfg(test)]
mod tests;
