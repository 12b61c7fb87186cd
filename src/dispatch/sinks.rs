//! From an output's destination to the sink that writes there.

use crate::model::spec::UploadOptions;
use crate::model::{JobId, Locator, Problem};
use crate::publish::sink::{Durability, LocalSink, ObjectStore, S3Sink, Sink};
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Finds buckets by the names that locators have for them.
pub trait Buckets: Send + Sync + fmt::Debug {
    /// A bucket, or the alias of one, as its configuration says.
    ///
    /// # Errors
    /// `output.unsupported` when nothing is configured that could lead there.
    fn bucket(&self, name: &str) -> Result<Arc<dyn ObjectStore>, Problem>;
}

/// How destinations are opened.
#[derive(Clone, Debug)]
pub struct Sinks {
    /// Directories that local destinations must lie in; empty for anywhere.
    pub roots: Vec<PathBuf>,
    /// When files are on the disk.
    pub durability: Durability,
    /// Buckets, where any are configured.
    pub buckets: Option<Arc<dyn Buckets>>,
}

impl Sinks {
    /// The sink for a destination. Touches nothing.
    ///
    /// # Errors
    /// `output.forbidden` outside the roots, `output.unsupported`.
    pub(crate) fn open(
        &self,
        destination: &Locator,
        upload: &UploadOptions,
        job: JobId,
    ) -> Result<Arc<dyn Sink>, Problem> {
        match destination {
            Locator::File(path) if self.may_write(path) => Ok(Arc::new(LocalSink::new(path, job, self.durability))),
            Locator::File(path) => {
                let message = format!("{} is outside the directories that outputs may go to", path.display());
                Err(Problem::input("output.forbidden", message))
            }
            Locator::S3 { bucket, key } => match &self.buckets {
                Some(buckets) => Ok(Arc::new(S3Sink::new(buckets.bucket(bucket)?, key, job, upload.clone()))),
                None => Err(unsupported(destination)),
            },
            Locator::Http(_) => Err(unsupported(destination)),
        }
    }

    /// Whether a path lies under a root: the nearest part of it that exists does, with links resolved, and the rest of it
    /// does not climb.
    fn may_write(&self, path: &Path) -> bool {
        if self.roots.is_empty() {
            return true;
        }
        let Ok(absolute) = std::path::absolute(path) else { return false };
        let Some(there) = absolute.ancestors().find(|above| above.exists()) else { return false };
        let rest = absolute.strip_prefix(there).unwrap_or(Path::new(""));
        let climbs = rest.components().any(|part| part == Component::ParentDir);
        let Ok(there) = there.canonicalize() else { return false };
        let full = there.join(rest);
        let roots = self.roots.iter().filter_map(|root| root.canonicalize().ok());
        !climbs && roots.into_iter().any(|root| full.starts_with(root))
    }
}

fn unsupported(destination: &Locator) -> Problem {
    let message = format!("{destination} cannot be written: configure a bucket for it, or choose another destination");
    Problem::input("output.unsupported", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_under_a_root_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir_all(root.join("deep")).unwrap();
        std::os::unix::fs::symlink(directory.path(), root.join("out")).unwrap();
        let sinks = Sinks { roots: vec![root.clone()], durability: Durability::AtEnd, buckets: None };
        for inside in ["new", "deep/new", "deep/../other", "a/b/c", ""] {
            assert!(sinks.may_write(&root.join(inside)), "{inside}");
        }
        for outside in ["../beside", "out/new", "new/../../beside", "deep/../../beside", "/etc"] {
            assert!(!sinks.may_write(&root.join(outside)), "{outside}");
        }
        assert!(Sinks { roots: Vec::new(), ..sinks }.may_write(Path::new("/anywhere")));
    }

    #[test]
    fn what_no_sink_writes_is_named() {
        let sinks = Sinks { roots: Vec::new(), durability: Durability::AtEnd, buckets: None };
        for text in ["s3://bucket/key", "https://host/path"] {
            let locator: Locator = text.parse().unwrap();
            let problem = sinks.open(&locator, &UploadOptions::default(), JobId::from_number(1)).unwrap_err();
            assert_eq!(problem.code, "output.unsupported");
        }
    }
}
