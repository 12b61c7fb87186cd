//! What NVIDIA's devices tell of themselves, by NVML.
//!
//! The library is loaded when something is to be read, and let go when nothing is. A box without it, or one whose driver
//! is taken away while we run, gives no readings; it is tried again after a while, and nothing else happens. Encode
//! sessions are counted by `nvmlDeviceGetEncoderStats`: the list of sessions cannot be read by this binding as soon as one
//! of them makes AV1 (docs/QUIRKS.md).

use super::reading::{Gauge, ProcessUse, Reading};
use crate::devices::nvidia::LIBRARY;
use crate::model::device::{DeviceId, DeviceInfo};
use nvml_wrapper::enum_wrappers::device::Sampling;
use nvml_wrapper::enums::device::{SampleValue, UsedGpuMemory};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A library that could not be loaded, or that has failed, is tried again after so long.
const AGAIN: Duration = Duration::from_secs(10);
/// Samples that are taken to be new where nobody knows which ones were seen, µs.
const SINCE_US: u64 = 1_000_000;
/// Drivers now and then tell of more than all the time there was; such a sample tells nothing.
const PERCENT_MAX: u32 = 100;

/// NVML, while it is there.
#[derive(Default)]
pub(super) struct NvmlGauge {
    library: Option<Nvml>,
    failed: Option<Instant>,
    /// Stamps of the last samples that were seen: the driver's, which are of the wall clock, µs.
    seen: BTreeMap<DeviceId, u64>,
}

impl NvmlGauge {
    /// Lets the library go until something is read again.
    pub(super) fn release(&mut self) {
        self.library = None;
        self.seen.clear();
    }

    fn load(&mut self) {
        if self.library.is_some() || self.failed.is_some_and(|at| at.elapsed() < AGAIN) {
            return;
        }
        match Nvml::builder().lib_path(OsStr::new(LIBRARY)).init() {
            Ok(library) => (self.library, self.failed) = (Some(library), None),
            Err(error) => {
                tracing::debug!(%error, "NVML cannot be read: use of NVIDIA devices is not known for now");
                self.failed = Some(Instant::now());
            }
        }
    }
}

impl Gauge for NvmlGauge {
    fn read(&mut self, info: &DeviceInfo) -> Option<Reading> {
        self.load();
        let device = match find(self.library.as_ref()?, info) {
            Ok(device) => device,
            Err(error) => {
                tracing::debug!(device = %info.id, %error, "a device cannot be read: its use is not known for now");
                let one_alone = matches!(error, NvmlError::GpuLost | NvmlError::NotFound | NvmlError::InvalidArg);
                if !one_alone {
                    self.release();
                    self.failed = Some(Instant::now());
                }
                return None;
            }
        };
        let wall = wall_us();
        // A clock that was set back has left the last stamp in the future, where no sample would be new.
        let since = self.seen.get(&info.id).copied().filter(|seen| *seen <= wall);
        let since = since.unwrap_or_else(|| wall.saturating_sub(SINCE_US));
        let mut newest = since;
        let reading = read(&device, since, &mut newest);
        self.seen.insert(info.id.clone(), newest.min(wall));
        // Nothing at all was told: as good as gone.
        (reading != Reading::default()).then_some(reading)
    }
}

fn find<'nvml>(library: &'nvml Nvml, info: &DeviceInfo) -> Result<Device<'nvml>, NvmlError> {
    match info.id.0.strip_prefix("cuda:").filter(|id| id.starts_with("GPU-") || id.starts_with("MIG-")) {
        Some(uuid) => library.device_by_uuid(uuid),
        None => library.device_by_index(info.address.parse().map_err(|_| NvmlError::NotFound)?),
    }
}

fn read(device: &Device<'_>, since: u64, newest: &mut u64) -> Reading {
    let mut busy = |sampling, now: &dyn Fn() -> Result<u32, NvmlError>| {
        let samples = device.samples(sampling, since).unwrap_or_default();
        let stamped = samples.iter().map(|sample| sample.timestamp).max();
        *newest = (*newest).max(stamped.unwrap_or(0));
        let values: Vec<u32> =
            samples.iter().filter(|sample| sample.timestamp > since).filter_map(|s| whole(&s.value)).collect();
        // Without a buffer of samples there is the last one alone.
        mean_permille(&values).or_else(|| mean_permille(&[now().ok()?]))
    };
    let encode_permille =
        busy(Sampling::EncoderUtilization, &|| device.encoder_utilization().map(|told| told.utilization));
    let decode_permille =
        busy(Sampling::DecoderUtilization, &|| device.decoder_utilization().map(|told| told.utilization));
    let filter_permille = busy(Sampling::GpuUtilization, &|| device.utilization_rates().map(|told| told.gpu));
    Reading {
        encode_permille,
        decode_permille,
        filter_permille,
        processes: processes(device, since),
        energy_mj: device.total_energy_consumption().ok(),
        power_mw: device.power_usage().ok().map(u64::from),
        memory_used_bytes: device.memory_info().ok().map(|memory| memory.used),
        memory_by_process: memory_by_process(device),
        encode_sessions: device.encoder_stats().ok().map(|stats| stats.session_count),
    }
}

fn whole(value: &SampleValue) -> Option<u32> {
    match value {
        SampleValue::U32(value) => Some(*value),
        SampleValue::U64(value) => u32::try_from(*value).ok(),
        SampleValue::I64(value) => u32::try_from(*value).ok(),
        SampleValue::F64(value) => (0.0..=100.0).contains(value).then_some(*value as u32),
    }
}

/// The mean of percentages, as thousandths; `None` where nothing of it makes sense.
pub(super) fn mean_permille(percents: &[u32]) -> Option<u32> {
    let sound: Vec<u32> = percents.iter().copied().filter(|percent| *percent <= PERCENT_MAX).collect();
    let count = u32::try_from(sound.len()).ok().filter(|count| *count > 0)?;
    Some((sound.iter().sum::<u32>() * 10 + count / 2) / count)
}

fn processes(device: &Device<'_>, since: u64) -> Option<Vec<ProcessUse>> {
    let samples = match device.process_utilization_stats(since) {
        Ok(samples) => samples,
        // No process has used it since.
        Err(NvmlError::NotFound) => return Some(Vec::new()),
        Err(_) => return None,
    };
    let mut by_process: BTreeMap<u32, [Vec<u32>; 3]> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.timestamp > since) {
        let [decode, filter, encode] = by_process.entry(sample.pid).or_default();
        decode.push(sample.dec_util);
        filter.push(sample.sm_util);
        encode.push(sample.enc_util);
    }
    let mean = |percents: &[u32]| mean_permille(percents).unwrap_or(0);
    let each = |(pid, [decode, filter, encode]): (&u32, &[Vec<u32>; 3])| ProcessUse {
        pid: *pid,
        decode_permille: mean(decode),
        filter_permille: mean(filter),
        encode_permille: mean(encode),
    };
    Some(by_process.iter().map(each).collect())
}

fn memory_by_process(device: &Device<'_>) -> Option<Vec<(u32, u64)>> {
    let each = |process: nvml_wrapper::struct_wrappers::device::ProcessInfo| match process.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some((process.pid, bytes)),
        UsedGpuMemory::Unavailable => None,
    };
    Some(device.running_compute_processes().ok()?.into_iter().filter_map(each).collect())
}

fn wall_us() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_leaves_out_what_cannot_be() {
        assert_eq!(mean_permille(&[10, 20, 101, 30]), Some(200));
        assert_eq!(mean_permille(&[33, 33, 34]), Some(333));
        assert_eq!(mean_permille(&[]), None);
        assert_eq!(mean_permille(&[400]), None);
    }

    #[test]
    fn a_box_without_the_library_gives_no_reading() {
        let mut gauge = NvmlGauge { failed: Some(Instant::now()), ..NvmlGauge::default() };
        let info = crate::devices::usage::tests::card("a", 1, 1);
        assert_eq!(gauge.read(&info), None);
        assert!(gauge.library.is_none());
    }
}
