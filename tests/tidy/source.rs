//! Rust sources as the checks see them: comments and literals blanked, tests told from the product. Offsets stay as they
//! are in the file. No parser: a scanner that knows comments, literals and braces is enough for what is asked.

use super::tree::texts;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

/// One `.rs` file.
pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: String,
    /// The file with comments and the insides of literals blanked.
    code: String,
    /// String literals: where they start, and what is in them.
    literals: Vec<(usize, String)>,
    /// What is compiled for tests only.
    tests: Vec<Range<usize>>,
}

/// All Rust files of the repository.
pub(crate) fn rust_sources() -> Vec<Source> {
    let mut test_files = BTreeSet::new();
    let mut sources = Vec::new();
    for (path, text) in texts(&["rs"]) {
        let (code, literals) = blank(&text);
        let tests = test_items(&path, &text, &code, &mut test_files);
        sources.push(Source { path, code, literals, tests });
    }
    for source in &mut sources {
        let in_tests = Path::new(&source.path).components().any(|part| part.as_os_str() == "tests");
        if in_tests || test_files.iter().any(|file| source.path == *file) {
            source.tests.push(0..source.code.len());
        }
    }
    sources
}

impl Source {
    /// `path:line` of an offset.
    pub(crate) fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path, self.code[..at].matches('\n').count() + 1)
    }

    /// The module under `src/` that the file belongs to; `None` for programs, `lib.rs`, tests and the scheduler.
    pub(crate) fn module(&self) -> Option<&str> {
        let name = self.path.strip_prefix("src/")?.split(['/', '.']).next()?;
        (!["bin", "lib"].contains(&name)).then_some(name)
    }

    /// Where a word stands, in tests too.
    pub(crate) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let joined = |c: char| c.is_alphanumeric() || c == '_';
        self.code
            .match_indices(word)
            .map(|(at, _)| at)
            .filter(move |at| !self.code[..*at].ends_with(joined) && !self.code[at + word.len()..].starts_with(joined))
    }

    /// Where a text stands outside tests.
    pub(crate) fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(text).map(|(at, _)| at).filter(|at| !self.in_tests(*at))
    }

    /// String literals outside tests.
    pub(crate) fn literals(&self) -> impl Iterator<Item = (usize, &str)> {
        self.literals.iter().filter(|(at, _)| !self.in_tests(*at)).map(|(at, text)| (*at, text.as_str()))
    }

    /// Whether what stands before `at` begins a `Problem`, so that a literal at `at` is its code.
    pub(crate) fn starts_problem(&self, at: usize) -> bool {
        let before = self.code[..at].trim_end();
        let direct =
            ["input", "sink", "device", "bug"].iter().any(|class| before.ends_with(&format!("Problem::{class}(")));
        let with_fault = before.rsplit_once("Problem::new(").is_some_and(|(_, between)| {
            between.ends_with(',') && between.matches(',').count() == 1 && !between.contains('(')
        });
        direct || with_fault
    }

    /// Whether a function of this name is declared here.
    pub(crate) fn has_function(&self, name: &str) -> bool {
        self.words(name).any(|at| self.code[..at].ends_with("fn "))
    }

    /// The first names after `prefix` (`crate::`) outside tests, through one level of braces.
    pub(crate) fn used_modules(&self, prefix: &str) -> Vec<(usize, String)> {
        let mut used = Vec::new();
        for at in self.find(prefix) {
            let rest = &self.code[at + prefix.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                used.extend(group_names(group).into_iter().map(|name| (at, name)));
            } else {
                used.push((at, first_name(rest)));
            }
        }
        used
    }

    fn in_tests(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }
}

fn first_name(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first name of each member of `a::b, c::{d, e}, f}`.
fn group_names(group: &str) -> Vec<String> {
    let mut names = vec![first_name(group)];
    let mut depth = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(first_name(&group[at + 1..])),
            _ => {}
        }
    }
    names
}

/// Blanks comments and the insides of literals, byte for byte; returns the string literals too.
fn blank(text: &str) -> (String, Vec<(usize, String)>) {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut literals = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let (hidden, length) = if rest.starts_with(b"//") {
            let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            (0..length, length)
        } else if rest.starts_with(b"/*") {
            let length = block_comment(rest);
            (0..length, length)
        } else if let Some((inside, length)) = string_literal(bytes, at) {
            literals.push((at, String::from_utf8_lossy(&rest[inside.clone()]).into_owned()));
            (inside, length)
        } else {
            let length = char_literal(rest);
            (0..length, length.max(1))
        };
        code[at..][hidden].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        at += length;
    }
    (String::from_utf8_lossy(&code).into_owned(), literals)
}

/// Length of a block comment, nested ones included.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The inside, relative to `at`, and the length of a string literal that begins here, raw or not.
fn string_literal(bytes: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let rest = &bytes[at..];
    let inside_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest[0] == b'r' && !inside_word || rest.starts_with(b"br\"") || rest.starts_with(b"br#") {
        let prefix = rest.iter().position(|b| *b == b'r')? + 1;
        let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
        let open = prefix + hashes + 1;
        if rest.get(open - 1) != Some(&b'"') {
            return None;
        }
        let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
        let close = open + rest[open..].windows(end.len()).position(|window| window == end)?;
        return Some((open..close, close + end.len()));
    }
    if rest[0] != b'"' {
        return None;
    }
    let mut close = 1;
    while *rest.get(close)? != b'"' {
        close += if rest[close] == b'\\' { 2 } else { 1 };
    }
    Some((1..close, close + 1))
}

/// Length of a character literal that begins here; 0 where none does (a lifetime begins with the same quote).
fn char_literal(rest: &[u8]) -> usize {
    if rest[0] != b'\'' {
        return 0;
    }
    let (skip, longest) = if rest.get(1) == Some(&b'\\') { (3, 12) } else { (2, 6) };
    let close = rest.iter().take(longest).skip(skip).position(|b| *b == b'\'').map(|at| at + skip);
    match close {
        Some(close) if close == 2 || rest[1] == b'\\' || rest[1] >= 0x80 => close + 1,
        _ => 0,
    }
}

/// Items under `#[cfg(test)]`. A module declared there in a file of its own is added to `files`.
fn test_items(path: &str, text: &str, code: &str, files: &mut BTreeSet<String>) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    for (start, attribute) in code.match_indices("#[cfg(test)]") {
        let after = start + attribute.len();
        let Some(stop) = code[after..].find(['{', ';']).map(|at| after + at) else { continue };
        if code[stop..].starts_with(';') {
            items.push(start..stop + 1);
            files.extend(module_file(path, &text[after..stop], &code[after..stop]));
        } else {
            items.push(start..stop + block(&code[stop..]));
        }
    }
    items
}

/// Length of a block in braces.
fn block(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The file of `#[path = "name.rs"] mod name` or `mod name` in the file at `path`.
fn module_file(path: &str, text: &str, code: &str) -> Vec<String> {
    let path = Path::new(path);
    let beside = path.parent().unwrap_or(Path::new(""));
    if let Some((_, named)) = text.split_once("#[path = \"") {
        let name = named.split('"').next().unwrap_or_default();
        return vec![beside.join(name).to_string_lossy().into_owned()];
    }
    let Some((_, name)) = code.trim_end().rsplit_once("mod ") else { return Vec::new() };
    let stem = path.file_stem().unwrap_or_default();
    let directory =
        if ["mod", "lib", "main"].iter().any(|s| stem == *s) { beside.to_owned() } else { beside.join(stem) };
    [directory.join(format!("{name}.rs")), directory.join(name).join("mod.rs")]
        .map(|file| file.to_string_lossy().into_owned())
        .to_vec()
}

#[test]
fn the_scanner_sees_code_and_only_code() {
    let text = "let a = \"x // }\"; // unsafe\nlet b = r#\"\"unsafe\"\"#; /* /* */ { */ let c: &'a str = f('{', '\\'', '\u{e9}');\n";
    let (code, literals) = blank(text);
    assert_eq!(code.len(), text.len());
    assert!(!code.contains("unsafe") && !code.contains(['{', '}']), "{code}");
    assert!(code.contains("&'a str = f(   ,     ,   "), "{code}");
    assert_eq!(literals.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["x // }", "\"unsafe\""]);
}

#[test]
fn tests_and_groups_are_told_apart() {
    let text = "use crate::{model::{A, B}, wire};\n#[cfg(test)]\nmod t { fn f() { crate::av::g(); } }\nfn g() {}\n\
                #[cfg(test)]\n#[path = \"a_tests.rs\"]\nmod tests;\n";
    let (code, literals) = blank(text);
    let mut files = BTreeSet::new();
    let tests = test_items("src/x/a.rs", text, &code, &mut files);
    let source = Source { path: "src/x/a.rs".to_owned(), code, literals, tests };
    let used: Vec<_> = source.used_modules("crate::").into_iter().map(|(_, name)| name).collect();
    assert_eq!(used, ["model", "wire"]);
    assert_eq!(source.module(), Some("x"));
    assert!(source.has_function("g") && files.contains("src/x/a_tests.rs"));
}
