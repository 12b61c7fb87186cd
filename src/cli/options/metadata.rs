//! What progressive files say of themselves, as it is said on a command line.

use crate::model::Problem;
use crate::model::labels::Tag;
use crate::model::request::FileMetadata;

/// Options about tags and covers.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Files of --mp4")]
pub(crate) struct MetadataFlags {
    /// A tag instead of the source's, such as title=Nocturne, or title= for none; also artist, album, album_artist, composer,
    /// genre, date, comment, description, copyright, track=3/12, disc; again for each
    #[arg(long = "tag", value_name = "NAME=TEXT")]
    pub(crate) tags: Vec<String>,
    /// Take no tags over from the source
    #[arg(long)]
    pub(crate) no_source_tags: bool,
    /// A JPEG or PNG file that becomes the cover; none: not even the source's [default: that of the source, for sound alone]
    #[arg(long, value_name = "FILE|none")]
    pub(crate) cover: Option<String>,
}

impl MetadataFlags {
    /// What is meant.
    ///
    /// # Errors
    /// `request.file_metadata`, `request.locator`.
    pub(crate) fn options(&self) -> Result<FileMetadata, Problem> {
        let mut metadata = FileMetadata { omit_source_tags: self.no_source_tags, ..FileMetadata::default() };
        for text in &self.tags {
            let read = text.split_once('=').and_then(|(name, text)| Some((Tag::from_name(name.trim())?, text)));
            let (tag, value) = read.ok_or_else(|| {
                let known = Tag::ALL.map(Tag::name).join(", ");
                let message = format!("--tag `{}` is no tag; write NAME=TEXT with {known}", text.escape_debug());
                Problem::input("request.file_metadata", message)
            })?;
            metadata.tags.insert(tag, value.to_owned());
        }
        match self.cover.as_deref() {
            Some("none") => metadata.omit_source_cover = true,
            Some(file) => metadata.cover = Some(file.parse().map_err(|problem: Problem| problem.at("--cover"))?),
            None => {}
        }
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_meant() {
        let of = |tags: &[&str], cover: Option<&str>| {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            MetadataFlags { tags, cover: cover.map(str::to_owned), no_source_tags: false }.options()
        };
        let asked = of(&["title=a=b", "album_artist="], Some("x.png")).unwrap();
        assert_eq!(asked.tags[&Tag::Title], "a=b");
        assert_eq!(asked.tags[&Tag::AlbumArtist], "");
        assert_eq!(asked.cover.unwrap().to_string(), "x.png");
        assert!(of(&[], Some("none")).unwrap().omit_source_cover);
        assert!(of(&[], None).unwrap().is_usual());
        for wrong in ["title", "encoder=x", "=x"] {
            assert_eq!(of(&[wrong], None).unwrap_err().code, "request.file_metadata", "{wrong}");
        }
    }
}
