//! How manifests are written, as it is said on a command line.

use super::{micros, one};
use crate::model::Problem;
use crate::model::request::ManifestOptions;

/// Options about manifests.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Manifests")]
pub(crate) struct ManifestFlags {
    /// Publish manifests once everything is made, not while it grows
    #[arg(long)]
    pub(crate) at_end: bool,
    /// Make each track one file, of which segments are byte ranges; manifests come at the end
    #[arg(long)]
    pub(crate) single_file: bool,
    /// Time of day at which the output begins, such as 2026-12-01T06:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) program_date_time: Option<String>,
    /// Where HLS players start, such as 90s or 1:30; -30s: so long before the end
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) start_at: Option<String>,
    /// Players show nothing before --start-at
    #[arg(long, requires = "start_at")]
    pub(crate) start_precise: bool,
    /// Tell players the chapters of the source
    #[arg(long)]
    pub(crate) chapters: bool,
}

impl ManifestFlags {
    /// What is meant.
    ///
    /// # Errors
    /// `request.program_date_time`, `request.start_at`.
    pub(crate) fn options(&self) -> Result<ManifestOptions, Problem> {
        let zero = one(self.program_date_time.as_deref(), "program_date_time", "2026-12-01T06:00:00Z", unix_ms)?;
        let start_us = one(self.start_at.as_deref(), "start_at", "90s, 1:30, 0:01:30.5 or -30s", micros)?;
        Ok(ManifestOptions {
            at_end: self.at_end,
            single_file: self.single_file,
            program_unix_ms: zero,
            start_us,
            start_precise: self.start_precise,
            chapters: self.chapters,
        })
    }
}

/// A time of day (RFC 3339), ms since 1970.
fn unix_ms(text: &str) -> Option<i64> {
    let time: prost_types::Timestamp = text.parse().ok()?;
    time.seconds.checked_mul(1000)?.checked_add(i64::from(time.nanos) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_meant() {
        let flags = ManifestFlags {
            program_date_time: Some("1970-01-02T00:00:00.250Z".to_owned()),
            start_at: Some("-1:30".to_owned()),
            ..ManifestFlags::default()
        };
        let options = flags.options().unwrap();
        assert_eq!((options.program_unix_ms, options.start_us), (Some(86_400_250), Some(-90_000_000)));
        assert_eq!(ManifestFlags::default().options().unwrap(), ManifestOptions::default());
        let wrong = ManifestFlags { program_date_time: Some("noon".to_owned()), ..ManifestFlags::default() };
        assert_eq!(wrong.options().unwrap_err().code, "request.program_date_time");
        let wrong = ManifestFlags { start_at: Some("soon".to_owned()), ..ManifestFlags::default() };
        assert_eq!(wrong.options().unwrap_err().code, "request.start_at");
    }
}
