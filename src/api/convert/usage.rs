//! What outputs have cost, as the API tells it.

use super::time::micros;
use crate::api::v1;
use crate::model::bill::{Cost, JobUsage, OutputUsage, SharedUsage, StageUsage};
use crate::model::usage::{Figure, Method};

/// A job's bill.
pub(in crate::api) fn job_usage(usage: &JobUsage) -> v1::JobUsage {
    v1::JobUsage {
        outputs: usage.outputs.iter().map(output_usage).collect(),
        shared: usage.shared.iter().map(shared).collect(),
        cpu_us: usage.cpu_us.map(figure),
        cpu_remainder_us: usage.cpu_remainder_us.map(figure),
        cost: usage.cost.as_ref().map(cost),
    }
}

/// An output's bill, or a sum of several.
pub(in crate::api) fn output_usage(usage: &OutputUsage) -> v1::OutputUsage {
    let time = |figure: Option<Figure>| figure.map(|figure| micros(i64::try_from(figure.value).unwrap_or(i64::MAX)));
    v1::OutputUsage {
        output_id: usage.output.clone(),
        wall: time(usage.wall_us),
        stages: usage.stages.iter().map(stage).collect(),
        memory_peak_bytes: usage.memory_peak_bytes.map(figure),
        device_memory_bytes: usage.device_memory_bytes.map(figure),
        energy_mj: usage.energy_mj.map(figure),
        read_bytes: usage.read_bytes.map(figure),
        made_bytes: usage.made_bytes.map(figure),
        stored_bytes: usage.stored_bytes.map(figure),
        media: time(usage.media_us),
        normalised_milliminutes: usage.normalised_milliminutes.map(figure),
        cost: usage.cost.as_ref().map(cost),
        wasted_cpu_us: usage.wasted_cpu_us.map(figure),
        wasted_device_us: usage.wasted_device_us.map(figure),
    }
}

/// Money.
pub(in crate::api) fn cost(cost: &Cost) -> v1::Cost {
    v1::Cost { currency: cost.currency.clone(), micros: cost.micros, measured: cost.measured }
}

fn stage(usage: &StageUsage) -> v1::StageUsage {
    v1::StageUsage {
        stage: usage.stage.name().to_owned(),
        cpu_us: usage.cpu_us.map(figure),
        device_us: usage.device_us.map(figure),
    }
}

fn shared(usage: &SharedUsage) -> v1::SharedUsage {
    let share = |(output, ppm): &(String, u32)| v1::Share { output_id: output.clone(), parts_per_million: *ppm };
    v1::SharedUsage {
        what: usage.what.clone(),
        stage: usage.stage.name().to_owned(),
        cpu_us: usage.cpu_us.map(figure),
        device_us: usage.device_us.map(figure),
        shares: usage.shares.iter().map(share).collect(),
    }
}

fn figure(figure: Figure) -> v1::Figure {
    use v1::figure::Method as Told;
    let method = match figure.method {
        Method::Counted => Told::Counted,
        Method::Clock => Told::Clock,
        Method::ThreadClock => Told::ThreadClock,
        Method::Process => Told::Process,
        Method::DeviceEngine => Told::DeviceEngine,
        Method::Simulated => Told::Simulated,
        Method::UtilisationShare => Told::UtilisationShare,
        Method::RateModel => Told::RateModel,
    };
    v1::Figure { value: figure.value, method: method.into(), measured: figure.method.is_measured() }
}
