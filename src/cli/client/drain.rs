//! `reelmill drain`: the daemon takes up no work any more, and what runs is waited for or handed back.

use super::connect::{ClientOptions, Daemon};
use super::{json, show};
use crate::api::v1;
use crate::cli::{Ended, print_json, print_line};
use crate::model::{Fault, Problem};
use std::time::Duration;

/// How often the daemon is asked how far it is.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// What may stand behind the digits of a deadline, and how many ms each is. Longer ones first.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Options of `reelmill drain`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct DrainArgs {
    /// Hand back what still runs after so long, such as 10m; it goes on later from what is stored [default: jobs that run
    /// go on to their end]
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// Begin no further span of jobs that run, and hand each back when none of its spans runs any more
    #[arg(long)]
    hand_back: bool,
    /// Show how far it is, until nothing runs any more
    #[arg(long)]
    wait: bool,
    /// Take up work again
    #[arg(long, alias = "off", conflicts_with_all = ["deadline", "hand_back", "wait"])]
    undo: bool,
    /// As JSON; with --wait the node, one object a line for each change
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Has the daemon stop taking up work, or take it up again.
pub(in crate::cli) async fn run(args: DrainArgs) -> Result<Ended, Vec<Problem>> {
    let deadline = args.deadline.as_deref().map(deadline).transpose().map_err(|problem| vec![problem])?;
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let request = v1::DrainNodeRequest { drain: !args.undo, deadline, hand_back: args.hand_back };
    let reply = daemon.answer(daemon.node().drain_node(request)).await?;
    if args.wait {
        return wait(&daemon, args.json).await;
    }
    if args.json {
        print_json(&json::written("DrainNodeResponse", &reply)).map_err(|problem| vec![problem])?;
    } else {
        let what = if reply.draining { "no job is started any more" } else { "jobs are started" };
        print_line(&format!("{what}; {} running", reply.jobs_active));
    }
    Ok(Ended::Done)
}

/// Tells each change until nothing runs any more.
async fn wait(daemon: &Daemon, json: bool) -> Result<Ended, Vec<Problem>> {
    let mut told = String::new();
    // What was asked for holds in a moment; until then it does not count as undone.
    let mut seen = false;
    loop {
        let node = daemon.answer(daemon.node().get_node(v1::GetNodeRequest {})).await?;
        if seen && !node.draining {
            let message =
                "work is taken up again, so the wait is over: somebody undid it, or the daemon was started anew";
            return Err(vec![Problem::new(Fault::Capacity, "client.drain_undone", message)]);
        }
        seen |= node.draining;
        let line = if json { json::written("GetNodeResponse", &node).to_string() } else { show::draining(&node) };
        if seen && line != told {
            print_line(&line);
            told = line;
        }
        if seen && node.jobs_active == 0 && node.spans_running == 0 {
            return Ok(Ended::Done);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// A time such as `90s` or `10m`.
fn deadline(text: &str) -> Result<prost_types::Duration, Problem> {
    let read = UNITS.iter().find_map(|(unit, ms)| {
        let digits = text.strip_suffix(unit)?;
        let clean = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| clean)?.checked_mul(*ms)
    });
    let length = read.map(Duration::from_millis).and_then(|length| prost_types::Duration::try_from(length).ok());
    length.ok_or_else(|| {
        let message = format!("{text:?} is no deadline: write digits and a unit, such as 90s, 10m or 1h");
        Problem::input("request.duration", message).at("deadline")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_digits_and_a_unit() {
        for (text, seconds, nanos) in
            [("0s", 0, 0), ("90s", 90, 0), ("250ms", 0, 250_000_000), ("10m", 600, 0), ("1d", 86_400, 0)]
        {
            assert_eq!(deadline(text).unwrap(), prost_types::Duration { seconds, nanos }, "{text}");
        }
        for text in ["", "s", "10", "-1s", "+1s", "1.5s", "1 s", "1w", "99999999999999999999s", "99999999999999999d"] {
            assert_eq!(deadline(text).unwrap_err().code, "request.duration", "{text}");
        }
    }
}
