//! Understands the part of grpcurl's command line that `examples/grpcurl.md` uses, and prints what grpcurl prints.
//!
//! grpcurl is neither in Debian nor in a registry that `make setup` may use. It knows a daemon by reflection alone, and
//! so does this: nothing here uses the messages that this repository generates. `REELMILL_GRPCURL` names a real one to
//! run instead.

mod call;
mod describe;
mod schema;

use schema::Schema;
use std::process::Command;

/// A command line, taken apart.
struct Asked {
    address: String,
    data: String,
    verb: Verb,
}

enum Verb {
    /// All services, or the methods of one.
    List(Option<String>),
    /// A service or a message.
    Describe(String),
    /// `service/method`
    Call(String),
}

/// Runs `grpcurl` with these arguments; gives what it prints, as a terminal shows it.
pub(crate) fn run(arguments: &[String]) -> String {
    let said = match std::env::var_os("REELMILL_GRPCURL") {
        Some(program) => {
            let ran = Command::new(program).args(arguments).output().unwrap();
            let (out, err) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
            out + &err
        }
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(answer(asked(arguments)))
        }
    };
    said.lines().map(|line| expanded(line) + "\n").collect()
}

fn asked(arguments: &[String]) -> Asked {
    let (mut data, mut plaintext, mut words) = ("{}".to_owned(), false, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-plaintext" => plaintext = true,
            "-d" => arguments.next().expect("-d takes a message").clone_into(&mut data),
            flag if flag.starts_with('-') => panic!("{flag} is not understood here"),
            word => words.push(word.to_owned()),
        }
    }
    assert!(plaintext, "only -plaintext is understood here");
    let [address, verb @ ..] = words.as_slice() else { panic!("grpcurl needs an address") };
    let verb = match verb {
        [list] if list == "list" => Verb::List(None),
        [list, service] if list == "list" => Verb::List(Some(service.clone())),
        [describe, symbol] if describe == "describe" => Verb::Describe(symbol.clone()),
        [method] => Verb::Call(method.clone()),
        _ => panic!("{verb:?} is not understood here"),
    };
    Asked { address: address.clone(), data, verb }
}

async fn answer(asked: Asked) -> String {
    let schema = Schema::connect(&asked.address).await;
    match asked.verb {
        Verb::List(None) => schema.services().await.join("\n"),
        Verb::List(Some(service)) => describe::methods(&schema.file_of(&service).await, &service),
        Verb::Describe(symbol) => describe::symbol(&schema.file_of(&symbol).await, &symbol),
        Verb::Call(method) => call::call(&schema, &method, &asked.data).await,
    }
}

/// A line with its tabs as a terminal shows them.
fn expanded(line: &str) -> String {
    let mut shown = String::new();
    for c in line.chars() {
        match c {
            '\t' => shown.push_str(&" ".repeat(8 - shown.chars().count() % 8)),
            c => shown.push(c),
        }
    }
    shown.trim_end().to_owned()
}
