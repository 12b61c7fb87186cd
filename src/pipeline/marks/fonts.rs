//! The fonts of this machine, which the locked-in worker may read.

use crate::model::Problem;
use resvg::usvg;
use resvg::usvg::fontdb;
use std::sync::Arc;

/// Where packages put fonts; the worker's walls leave these open (`sys::lockdown`).
const DIRECTORIES: [&str; 2] = ["/usr/share/fonts", "/usr/local/share/fonts"];

/// All fonts, by family.
pub(super) struct Fonts(Arc<fontdb::Database>);

impl Fonts {
    /// Those of this machine. Files are looked at, not read whole.
    pub(super) fn of_this_machine() -> Self {
        let mut database = fontdb::Database::new();
        for directory in DIRECTORIES {
            database.load_fonts_dir(directory);
        }
        database.set_sans_serif_family("DejaVu Sans");
        database.set_serif_family("DejaVu Serif");
        database.set_monospace_family("DejaVu Sans Mono");
        Self(Arc::new(database))
    }

    pub(super) fn database(&self) -> Arc<fontdb::Database> {
        Arc::clone(&self.0)
    }

    /// The parts of a line with the family that each is written in: the one that is asked where it has the letters, another
    /// font of this machine where it has not. A part is as long as can be, so that letters are shaped together.
    ///
    /// # Errors
    /// `watermark.font` where there is no such family, `watermark.glyph` where no font has a letter.
    pub(super) fn runs<'a>(&self, line: &'a str, family: &str) -> Result<Vec<(String, &'a str)>, Problem> {
        let asked = self.find(family)?;
        let mut runs: Vec<(fontdb::ID, usize)> = Vec::new();
        for (at, letter) in line.char_indices() {
            let current = runs.last().map(|(id, _)| *id);
            if is_unseen(letter) && current.is_some() {
                continue;
            }
            // What is written over or under a letter belongs to its font.
            let first = current.filter(|_| unicode_bidi::bidi_class(letter) == unicode_bidi::BidiClass::NSM);
            let candidates = first.into_iter().chain([asked]).chain(current).chain(self.0.faces().map(|face| face.id));
            let usual = if is_unseen(letter) { Some(asked) } else { None };
            let font = usual.or_else(|| candidates.into_iter().find(|id| self.has(*id, letter)));
            let font = font.ok_or_else(|| missing(letter))?;
            if current != Some(font) {
                runs.push((font, at));
            }
        }
        let ends = runs.iter().skip(1).map(|(_, at)| *at).chain([line.len()]);
        let name = |id: fontdb::ID| {
            let face = self.0.face(id).filter(|_| id != asked);
            face.and_then(|face| Some(face.families.first()?.0.clone())).unwrap_or_else(|| family.to_owned())
        };
        Ok(runs.iter().zip(ends).map(|((id, at), end)| (name(*id), &line[*at..end])).collect())
    }

    /// A face of a family, upright and of usual weight where there is one.
    fn find(&self, family: &str) -> Result<fontdb::ID, Problem> {
        let generic = match family {
            "sans-serif" => fontdb::Family::SansSerif,
            "serif" => fontdb::Family::Serif,
            "monospace" => fontdb::Family::Monospace,
            name => fontdb::Family::Name(name),
        };
        let query = fontdb::Query { families: &[generic], ..fontdb::Query::default() };
        self.0.query(&query).ok_or_else(|| {
            let message = format!(
                "this node has no font `{}`: install its package, or name another family (fc-list : family)",
                family.escape_debug()
            );
            Problem::input("watermark.font", message)
        })
    }

    fn has(&self, id: fontdb::ID, letter: char) -> bool {
        let has = |data: &[u8], index: u32| {
            let font = skrifa::FontRef::from_index(data, index).ok()?;
            // The first glyph of a font stands for what it lacks.
            skrifa::charmap::Charmap::new(&font).map(letter).filter(|glyph| glyph.to_u32() != 0)
        };
        self.0.with_face_data(id, has).flatten().is_some()
    }

    /// Lays out a drawing with text in it, whose families are known.
    ///
    /// # Errors
    /// None that a client can do anything about.
    pub(super) fn read(&self, svg: &str) -> Result<usvg::Tree, Problem> {
        let options = usvg::Options { fontdb: self.database(), ..usvg::Options::default() };
        usvg::Tree::from_str(svg, &options).map_err(|error| {
            let message = format!("a text could not be laid out ({error}); please report it");
            Problem::bug("internal.watermark", message)
        })
    }
}

fn missing(letter: char) -> Problem {
    let code = u32::from(letter);
    let message = format!(
        "no font of this node has the letter `{}` (U+{code:04X}): install one for its script, such as fonts-noto-core or \
         fonts-noto-cjk",
        letter.escape_debug()
    );
    Problem::input("watermark.glyph", message)
}

/// Letters without a look of their own: joiners, marks of direction, variation selectors.
fn is_unseen(letter: char) -> bool {
    letter.is_whitespace()
        || letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}')
}
