//! The reference of all settings, as Markdown: `docs/CONFIGURATION.md` is this.

use super::names::{OTHERS, variable};
use super::table::{SETTINGS, Setting};
use super::value::Kind;
use std::fmt::Write as _;

const HEAD: &str = "# Configuration

`reelmill config --reference` prints this page. A setting is given in a TOML file (`--config FILE`, or
`REELMILL_CONFIG`), in the environment, or on the command line of `reelmill serve`; the later of these wins.
`reelmill config` shows every setting as it is in force, and where it came from.

- In a file, `a.b` is the key `b` of the table `[a]`. `NAME` is a name that you give: up to 63 of `a-z`, `0-9`, `-`,
  `_`, `.`. Relative paths start from the directory of the file.
- A variable is the key in upper case, with `__` for each dot. Lists are joined by commas. An empty variable is the same
  as none. Where a name has `-` or `.`, write `_`.
- On the command line, `--set KEY=VALUE` takes every setting; `--state-dir`, `--devices`, `--grpc`, `--http`, `--log`,
  `--log-format` and `--profiles-dir` are short for the ones that are used most.
- A secret never stands in the file or on the command line. Write `KEY_file = \"PATH\"` or `KEY_env = \"NAME\"` instead,
  or set the variable of `KEY` itself, or of `KEY_file`. Nothing shows it: it is `***` everywhere.
- A name that is no setting is an error that tells the nearest one, and all mistakes are told at once.

```toml
state_dir = \"/var/lib/reelmill\"
sources.roots = [\"/media\"]

[tokens.ci]
secret_file = \"/run/secrets/ci-token\"

[s3.buckets.published]
bucket = \"video-published-eu\"
endpoint = \"https://store.example:9000\"
access_key_id = \"reelmill\"
secret_access_key_env = \"STORE_SECRET\"
```
";

/// Every setting, with its variable, what may be written, the default, and why.
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    let mut section = None;
    for setting in SETTINGS {
        if section != Some(section_of(setting)) {
            section = Some(section_of(setting));
            let _ = write!(text, "\n## {}\n\n", title(section_of(setting)));
            text.push_str("| setting | variable | default | what |\n|---|---|---|---|\n");
        }
        text.push_str(&line(setting));
    }
    text.push_str("\n## Variables that are no settings\n\n| variable | what |\n|---|---|\n");
    for (name, what) in OTHERS {
        let _ = writeln!(text, "| `{name}` | {what} |");
    }
    text
}

fn line(setting: &Setting) -> String {
    let key = setting.key.replacen('*', "NAME", 1);
    let default = if setting.default.is_empty() { "none".to_owned() } else { format!("`{}`", setting.default) };
    let secret = match setting.kind {
        Kind::Secret(true) => " A secret, that may stand in the file all the same.",
        Kind::Secret(false) => " A secret.",
        _ => "",
    };
    let what = match setting.kind {
        Kind::Secret(_) | Kind::Text | Kind::Path => String::new(),
        kind => format!(" Write {}.", kind.allowed()),
    };
    format!("| `{key}` | `{}` | {default} | {}{secret}{what} |\n", variable(&key), setting.help)
}

/// The first part of a key that has several; the rest stand together.
fn section_of(setting: &Setting) -> &'static str {
    setting.key.split_once('.').map_or("", |(section, _)| section)
}

fn title(section: &str) -> String {
    if section.is_empty() { "General".to_owned() } else { format!("`{section}`") }
}
