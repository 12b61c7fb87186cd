//! The schema itself: clean by the rules that Buf calls STANDARD and COMMENTS, and compatible with the last release.
//!
//! `proto/released/reelmill.v1.txt` has one line for each element of the released API. Every line must still be there:
//! what is new adds lines. `make release-api` writes it anew when a version is released.

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::source_code_info::Location;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};
use reelmill::api::v1::DESCRIPTORS;
use std::collections::BTreeSet;
use std::fs;

const RELEASED: &str = "proto/released/reelmill.v1.txt";

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    set.file.into_iter().filter(|file| file.package() == "reelmill.v1").collect()
}

#[test]
fn the_schema_is_clean() {
    let files = files();
    assert_eq!(files.len(), 18);
    let mut lint = Lint::default();
    for file in &files {
        lint.file(file);
    }
    assert!(lint.found.is_empty(), "{}", lint.found.join("\n"));
    assert!(lint.elements > 300, "{} elements were looked at", lint.elements);
}

#[test]
fn nothing_that_was_released_is_broken() {
    let now = lines(&files());
    if std::env::var_os("REELMILL_RELEASE").is_some() {
        fs::write(RELEASED, now.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
    let released = fs::read_to_string(RELEASED).unwrap();
    let broken = broken(&released.lines().map(str::to_owned).collect(), &now);
    assert!(
        broken.is_empty(),
        "clients of the last release would break:\n{}\nAdd beside what is there, or make a new version of the package.",
        broken.join("\n")
    );
}

#[test]
fn breaking_changes_are_found() {
    let old = lines(&files());
    let spoil = |from: &str, to: &str| -> Vec<String> {
        let new = old.iter().filter(|_| true).map(|line| line.replace(from, to)).filter(|line| !line.is_empty());
        broken(&old, &new.collect())
    };
    let field = "field reelmill.v1.GetJobRequest 1 id string";
    assert_eq!(spoil(field, ""), [format!("{field}: is gone")]);
    assert_eq!(spoil(field, "field reelmill.v1.GetJobRequest 2 id string").len(), 1);
    assert_eq!(
        spoil(field, "field reelmill.v1.GetJobRequest 1 id bytes"),
        [format!("{field}: is now `field reelmill.v1.GetJobRequest 1 id bytes`")]
    );
    assert_eq!(spoil("value reelmill.v1.Speed 3 SPEED_QUALITY", "value reelmill.v1.Speed 4 SPEED_QUALITY").len(), 1);
    assert_eq!(spoil(" returns (stream ", " returns (").len(), 1);
    assert!(spoil("nothing of this", "x").is_empty());
}

/// Lines of `old` that are not in `new`, each with what stands in its place.
fn broken(old: &BTreeSet<String>, new: &BTreeSet<String>) -> Vec<String> {
    let key = |line: &str| line.splitn(4, ' ').take(3).collect::<Vec<_>>().join(" ");
    let gone = old.iter().filter(|line| !new.contains(*line));
    gone.map(|line| match new.iter().find(|other| key(other) == key(line) && !old.contains(*other)) {
        Some(other) => format!("{line}: is now `{other}`"),
        None => format!("{line}: is gone"),
    })
    .collect()
}

/// One line for each field, value and call.
fn lines(files: &[FileDescriptorProto]) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for file in files {
        for message in &file.message_type {
            message_lines("reelmill.v1", message, &mut lines);
        }
        for one in &file.enum_type {
            enum_lines("reelmill.v1", one, &mut lines);
        }
        for service in &file.service {
            for call in &service.method {
                let stream = |yes| if yes { "stream " } else { "" };
                lines.insert(format!(
                    "rpc reelmill.v1.{} {} ({}{}) returns ({}{})",
                    service.name(),
                    call.name(),
                    stream(call.client_streaming()),
                    call.input_type(),
                    stream(call.server_streaming()),
                    call.output_type()
                ));
            }
        }
    }
    lines
}

fn message_lines(scope: &str, message: &DescriptorProto, lines: &mut BTreeSet<String>) {
    let name = format!("{scope}.{}", message.name());
    lines.insert(format!("message {name}"));
    for field in &message.field {
        let choice = field.oneof_index.and_then(|index| message.oneof_decl.get(index as usize));
        let choice = choice.map(|choice| format!(" oneof {}", choice.name())).unwrap_or_default();
        let (number, label) = (field.number(), if field.label() == Label::Repeated { "repeated " } else { "" });
        lines.insert(format!("field {name} {number} {} {label}{}{choice}", field.name(), kind(field)));
    }
    for inner in &message.nested_type {
        message_lines(&name, inner, lines);
    }
    for one in &message.enum_type {
        enum_lines(&name, one, lines);
    }
}

fn enum_lines(scope: &str, one: &EnumDescriptorProto, lines: &mut BTreeSet<String>) {
    let name = format!("{scope}.{}", one.name());
    lines.extend(one.value.iter().map(|value| format!("value {name} {} {}", value.number(), value.name())));
}

fn kind(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

#[derive(Default)]
struct Lint {
    found: Vec<String>,
    elements: usize,
    comments: Vec<Location>,
}

impl Lint {
    fn check(&mut self, holds: bool, what: &str, rule: &str) {
        if !holds {
            self.found.push(format!("{what}: {rule}"));
        }
    }

    /// An element needs a comment that is a sentence.
    fn commented(&mut self, what: &str, path: &[i32]) {
        self.elements += 1;
        let comment = self.comments.iter().find(|location| location.path == path);
        let text = comment.map(|location| location.leading_comments().trim().to_owned()).unwrap_or_default();
        self.check(!text.is_empty(), what, "has no comment");
        self.check(text.is_empty() || text.ends_with(['.', ':']), what, "has a comment that is no sentence");
    }

    fn file(&mut self, file: &FileDescriptorProto) {
        let name = file.name();
        self.comments = file.source_code_info.clone().unwrap_or_default().location;
        self.check(name.starts_with("reelmill/v1/"), name, "is not in the directory of its package");
        let stem = name.trim_start_matches("reelmill/v1/").trim_end_matches(".proto");
        self.check(is_snake(stem), name, "is not named in lower_snake_case");
        self.check(file.syntax() == "proto3", name, "is not proto3");
        for (index, message) in file.message_type.iter().enumerate() {
            self.message(message, "", &[4, index as i32]);
        }
        for (index, one) in file.enum_type.iter().enumerate() {
            self.enumeration(one, "", &[5, index as i32]);
        }
        for (index, service) in file.service.iter().enumerate() {
            self.service(service, &[6, index as i32]);
        }
    }

    fn message(&mut self, message: &DescriptorProto, scope: &str, path: &[i32]) {
        if message.options.as_ref().is_some_and(|options| options.map_entry()) {
            return;
        }
        let name = format!("{scope}{}", message.name());
        self.commented(&name, path);
        self.check(is_pascal(message.name()), &name, "is not in PascalCase");
        for (index, field) in message.field.iter().enumerate() {
            let what = format!("{name}.{}", field.name());
            self.commented(&what, &[path, &[2, index as i32]].concat());
            self.check(is_snake(field.name()), &what, "is not in lower_snake_case");
        }
        for (index, choice) in message.oneof_decl.iter().enumerate() {
            // Those of `optional` fields are made by protoc.
            if !choice.name().starts_with('_') {
                let what = format!("{name}.{}", choice.name());
                self.commented(&what, &[path, &[8, index as i32]].concat());
                self.check(is_snake(choice.name()), &what, "is not in lower_snake_case");
            }
        }
        for (index, inner) in message.nested_type.iter().enumerate() {
            self.message(inner, &format!("{name}."), &[path, &[3, index as i32]].concat());
        }
        for (index, one) in message.enum_type.iter().enumerate() {
            self.enumeration(one, &format!("{name}."), &[path, &[4, index as i32]].concat());
        }
    }

    fn enumeration(&mut self, one: &EnumDescriptorProto, scope: &str, path: &[i32]) {
        let name = format!("{scope}{}", one.name());
        self.commented(&name, path);
        self.check(is_pascal(one.name()), &name, "is not in PascalCase");
        let prefix = upper_snake(one.name());
        let zero = format!("{prefix}_UNSPECIFIED");
        let first = one.value.first().is_some_and(|value| value.number() == 0 && value.name() == zero);
        self.check(first, &name, "does not begin with 0 as UNSPECIFIED");
        for (index, value) in one.value.iter().enumerate() {
            let what = format!("{name}.{}", value.name());
            self.commented(&what, &[path, &[2, index as i32]].concat());
            self.check(value.name().starts_with(&format!("{prefix}_")), &what, "does not begin with its enumeration");
            let upper = value.name().bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            self.check(upper, &what, "is not in UPPER_SNAKE_CASE");
        }
    }

    fn service(&mut self, service: &ServiceDescriptorProto, path: &[i32]) {
        let name = service.name();
        self.commented(name, path);
        self.check(name.ends_with("Service"), name, "is not named a Service");
        for (index, call) in service.method.iter().enumerate() {
            let what = format!("{name}.{}", call.name());
            self.commented(&what, &[path, &[2, index as i32]].concat());
            let own = |kind: &str| format!(".reelmill.v1.{}{kind}", call.name());
            self.check(call.input_type() == own("Request"), &what, "takes no request of its own");
            self.check(call.output_type() == own("Response"), &what, "gives no response of its own");
        }
    }
}

fn is_snake(name: &str) -> bool {
    !name.starts_with('_') && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn upper_snake(name: &str) -> String {
    let mut upper = String::new();
    for (at, c) in name.char_indices() {
        if at > 0 && c.is_ascii_uppercase() {
            upper.push('_');
        }
        upper.push(c.to_ascii_uppercase());
    }
    upper
}
