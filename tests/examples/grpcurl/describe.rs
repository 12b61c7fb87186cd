//! `grpcurl list SERVICE` and `grpcurl describe SYMBOL`.

use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor};
use std::fmt::Write;

/// The methods of a service, sorted.
pub(super) fn methods(pool: &DescriptorPool, service: &str) -> String {
    let service = pool.get_service_by_name(service).unwrap();
    let mut names: Vec<String> = service.methods().map(|method| method.full_name().to_owned()).collect();
    names.sort();
    names.join("\n")
}

/// A service or a message as its `.proto` file has it.
pub(super) fn symbol(pool: &DescriptorPool, name: &str) -> String {
    if let Some(service) = pool.get_service_by_name(name) {
        let mut text = format!("{name} is a service:\n{}", comment(&service.parent_file(), service.path(), 0));
        writeln!(text, "service {} {{", service.name()).unwrap();
        let mut methods: Vec<_> = service.methods().collect();
        methods.sort_by(|a, b| a.name().cmp(b.name()));
        for method in methods {
            text += &comment(&service.parent_file(), method.path(), 2);
            let stream = |yes| if yes { "stream " } else { "" };
            writeln!(
                text,
                "  rpc {} ( {}.{} ) returns ( {}.{} );",
                method.name(),
                stream(method.is_client_streaming()),
                method.input().full_name(),
                stream(method.is_server_streaming()),
                method.output().full_name()
            )
            .unwrap();
        }
        return text + "}\n";
    }
    let message = pool.get_message_by_name(name).unwrap();
    format!("{name} is a message:\n{}", of_message(&message))
}

fn of_message(message: &MessageDescriptor) -> String {
    assert_eq!(message.oneofs().count() + message.child_messages().count(), 0, "not understood here: {message:?}");
    let mut text = comment(&message.parent_file(), message.path(), 0);
    writeln!(text, "message {} {{", message.name()).unwrap();
    for field in message.fields() {
        text += &comment(&message.parent_file(), field.path(), 2);
        let repeated = if field.cardinality() == Cardinality::Repeated { "repeated " } else { "" };
        writeln!(text, "  {repeated}{} {} = {};", kind(&field), field.name(), field.number()).unwrap();
    }
    text + "}\n"
}

fn kind(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(message) => format!(".{}", message.full_name()),
        Kind::Enum(kind) => format!(".{}", kind.full_name()),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

/// The comment in front of what lies at `path` in a file.
fn comment(file: &FileDescriptor, path: &[i32], indent: usize) -> String {
    let located = file.file_descriptor_proto().source_code_info.as_ref();
    let mut locations = located.into_iter().flat_map(|info| &info.location);
    let found = locations.find(|location| location.path == path);
    let text = found.map(|location| location.leading_comments()).unwrap_or_default();
    text.lines().map(|line| format!("{}//{line}\n", " ".repeat(indent))).collect()
}
