//! `reelmill devices`: the devices of a daemon's node and what they were found to do.

use super::connect::ClientOptions;
use super::json::{self, name_of};
use crate::api::v1;
use crate::cli::tables::plain;
use crate::cli::{Ended, print, print_json};
use crate::model::Problem;
use crate::report::text::table;

/// Options of `reelmill devices`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct DevicesArgs {
    /// An array of the API's devices
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Shows them.
pub(in crate::cli) async fn run(args: DevicesArgs) -> Result<Ended, Vec<Problem>> {
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let node = daemon.answer(daemon.node().get_node(v1::GetNodeRequest {})).await?;
    if args.json {
        let devices: Vec<_> = node.devices.iter().map(|device| json::written("Device", device)).collect();
        print_json(&devices).map_err(|problem| vec![problem])?;
    } else {
        print(&node.devices.iter().map(text).collect::<String>());
    }
    Ok(Ended::Done)
}

fn text(device: &v1::Device) -> String {
    let mut parts = vec![device.name.clone()];
    if device.memory_mib > 0 {
        parts.push(format!("{} MiB", device.memory_mib));
    }
    if !device.driver.is_empty() {
        parts.push(format!("driver {}", device.driver));
    }
    if device.simulated {
        parts.push("simulated".to_owned());
    }
    let mut text = plain(&format!("{}: {}", device.id, parts.join(", "))) + "\n";
    let held = |capacity: &v1::Capacity| {
        let amount = format!("{} of {} held", capacity.held, capacity.total);
        vec![plain(&capacity.dimension), amount]
    };
    let abilities = |ability: &v1::Ability| {
        let depth = if ability.depth == 0 { "-".to_owned() } else { ability.depth.to_string() };
        let why =
            if ability.code.is_empty() { String::new() } else { format!("{} [{}]", ability.reason, ability.code) };
        let verdict = name_of("Ability.Verdict", ability.verdict);
        let cells = [&ability.operation, &ability.codec, &depth, &verdict, &why, &ability.remedy];
        cells.map(|cell| plain(cell)).to_vec()
    };
    for rows in [device.capacity.iter().map(held).collect::<Vec<_>>(), device.abilities.iter().map(abilities).collect()]
    {
        text += &table(&rows).lines().map(|line| format!("  {line}\n")).collect::<String>();
    }
    text
}
