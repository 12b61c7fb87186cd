//! The fonts of this machine, which the locked-in worker may read.

use crate::model::Problem;
use resvg::usvg;
use resvg::usvg::fontdb;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

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

    /// Reads a drawing with text in it, in a font that must be there; and no letter of it may be missing in all fonts.
    ///
    /// # Errors
    /// `watermark.font`, `watermark.glyph`.
    pub(super) fn read(&self, svg: &str, family: &str) -> Result<usvg::Tree, Problem> {
        let generic = ["sans-serif", "serif", "monospace"].contains(&family);
        let is = |name: &str| name.eq_ignore_ascii_case(family);
        let known = self.0.faces().any(|face| generic || face.families.iter().any(|(name, _)| is(name)));
        if !known {
            let message = format!(
                "this node has no font `{}`: install its package, or name another family (fc-list : family)",
                family.escape_debug()
            );
            return Err(Problem::input("watermark.font", message));
        }
        let missing = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = Arc::clone(&missing);
        let usual = usvg::FontResolver::default_fallback_selector();
        let mut options = usvg::Options { fontdb: self.database(), ..usvg::Options::default() };
        options.font_resolver.select_fallback = Box::new(move |letter, used, database| {
            let found = usual(letter, used, database);
            if found.is_none() && !is_unseen(letter) {
                noted.lock().unwrap_or_else(PoisonError::into_inner).insert(letter);
            }
            found
        });
        let tree = usvg::Tree::from_str(svg, &options);
        let missing = missing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(letter) = missing.first() {
            let code = u32::from(*letter);
            let message = format!(
                "no font of this node has the letter `{letter}` (U+{code:04X}): install one for its script, such as \
                 fonts-noto-core or fonts-noto-cjk"
            );
            return Err(Problem::input("watermark.glyph", message));
        }
        tree.map_err(|error| {
            let message = format!("a text could not be laid out ({error}); please report it");
            Problem::bug("internal.watermark", message)
        })
    }
}

/// Letters without a look of their own: joiners, marks of direction, variation selectors.
fn is_unseen(letter: char) -> bool {
    letter.is_whitespace()
        || letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}')
}
