//! Chapters as Apple's players read them: the JSON file that `com.apple.hls.chapters` names ("Providing JSON Chapters" of
//! the HLS documentation). Times are seconds.

use crate::model::facts::Chapter;
use crate::model::time::decimal_seconds;
use serde_json::value::RawValue;

/// A chapter. The language of its title nobody knows.
#[derive(serde::Serialize)]
#[serde(rename_all = "kebab-case")]
struct Entry<'a> {
    chapter: usize,
    start_time: Box<RawValue>,
    duration: Box<RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    titles: Vec<Title<'a>>,
}

#[derive(serde::Serialize)]
struct Title<'a> {
    language: &'static str,
    title: &'a str,
}

/// The file, chapters numbered from 1.
pub(in crate::package) fn chapters(chapters: &[Chapter]) -> String {
    let entries: Vec<_> =
        chapters.iter().enumerate().filter_map(|(index, chapter)| entry(index + 1, chapter)).collect();
    let mut text = serde_json::to_string_pretty(&entries).unwrap_or_default();
    text.push('\n');
    text
}

fn entry(number: usize, chapter: &Chapter) -> Option<Entry<'_>> {
    let title = Title { language: "und", title: &chapter.title };
    Some(Entry {
        chapter: number,
        start_time: seconds(chapter.start_us)?,
        duration: seconds(chapter.end_us.saturating_sub(chapter.start_us))?,
        titles: if chapter.title.is_empty() { Vec::new() } else { vec![title] },
    })
}

/// A JSON number to the microsecond, without a float in between.
fn seconds(us: i64) -> Option<Box<RawValue>> {
    RawValue::from_string(decimal_seconds(us, 1_000_000, 6)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapters_are_numbered_and_those_without_a_title_have_none() {
        let given = [
            Chapter { start_us: 0, end_us: 1_500_000, title: "An \"opening\"".to_owned() },
            Chapter { start_us: 1_500_000, end_us: 60_000_001, title: String::new() },
        ];
        let read: serde_json::Value = serde_json::from_str(&chapters(&given)).unwrap();
        assert_eq!(read[0]["titles"][0]["title"], "An \"opening\"");
        assert_eq!((&read[0]["chapter"], &read[1]["chapter"]), (&1.into(), &2.into()));
        assert!(chapters(&given).contains("\"start-time\": 1.5") && read[1].get("titles").is_none());
        assert_eq!(read[1]["duration"].as_f64(), Some(58.500_001));
    }
}
