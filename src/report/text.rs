//! Events as lines for people, and numbers as people write them.

use super::JobEvent;
use std::fmt::Write as _;

/// Lines from workers' libraries that are shown of one job: a damaged source has one for each packet.
const LOG_LINES_MAX: u32 = 20;

/// Turns events into lines, and leaves out what would drown the rest.
#[derive(Debug, Default)]
pub(super) struct Teller {
    log_lines: u32,
}

impl Teller {
    /// The line for an event, if it has one.
    pub(super) fn line(&mut self, event: &JobEvent) -> Option<String> {
        match event {
            JobEvent::PartWaits { part, dimension } => Some(format!("{part} waits for {dimension}")),
            JobEvent::PartFailed { part, attempt, problem } => Some(format!("{part}, attempt {attempt}: {problem}")),
            JobEvent::Playable { elapsed_ms, manifests } => {
                Some(format!("playable after {}: {}", seconds(*elapsed_ms), manifests.join(", ")))
            }
            JobEvent::Warning(note) => Some(format!("note: {} [{}]", note.message, note.code)),
            JobEvent::Log { level, track, text } if level != "info" => self.log(level, track, text),
            _ => None,
        }
    }

    fn log(&mut self, level: &str, track: &str, text: &str) -> Option<String> {
        self.log_lines += 1;
        let who = if track.is_empty() { String::new() } else { format!("{track}: ") };
        match self.log_lines {
            ..=LOG_LINES_MAX => Some(format!("{level}: {who}{text}")),
            n if n == LOG_LINES_MAX + 1 => Some("more lines like these are left out; --json has them".to_owned()),
            _ => None,
        }
    }
}

/// Seconds with one digit, from milliseconds.
pub fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

/// Hours, minutes and seconds, as far as they are needed.
pub fn clock(ms: u64) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Hundredths as a factor: 250 is `2.50x`.
pub fn factor(percent: u64) -> String {
    format!("{}.{:02}x", percent / 100, percent % 100)
}

/// Bits a second with a fitting unit, three digits or so.
pub fn bit_rate(rate: u64) -> String {
    if rate >= 10_000_000 {
        format!("{}.{} Mbit/s", rate / 1_000_000, rate % 1_000_000 / 100_000)
    } else {
        format!("{} kbit/s", rate.div_ceil(1000))
    }
}

/// Bytes with a fitting binary unit.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10 / 1024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Rows as text, columns as wide as their widest cell, two spaces between.
pub fn table(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!((seconds(1250), clock(61_000), clock(3_661_000)), ("1.2 s".into(), "1:01".into(), "1:01:01".into()));
        assert_eq!((factor(250), factor(5)), ("2.50x".into(), "0.05x".into()));
        assert_eq!((bit_rate(999_001), bit_rate(12_345_678)), ("1000 kbit/s".into(), "12.3 Mbit/s".into()));
        assert_eq!((bytes(1023), bytes(1536), bytes(5 << 30)), ("1023 B".into(), "1.5 KiB".into(), "5.0 GiB".into()));
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB".replace("16777216.0", "16777215.9"));
    }

    #[test]
    fn a_damaged_source_does_not_drown_the_rest() {
        let mut teller = Teller::default();
        let log = JobEvent::Log { level: "error".into(), track: String::new(), text: "bad packet".into() };
        let lines: Vec<_> = (0..1000).filter_map(|_| teller.line(&log)).collect();
        assert_eq!(lines.len() as u32, LOG_LINES_MAX + 1);
        assert_eq!(lines[0], "error: bad packet");
    }

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["a", "bb"]), row(["ccc", ""])]), "a    bb\nccc\n");
    }
}
