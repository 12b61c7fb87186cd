//! What the kernel says of this process. The collector of the library tells CPU time in whole seconds, in which a scrape
//! every few seconds sees steps; this one tells what the kernel tells.

use super::families::Families;
use std::fs;

/// Ticks a second in `/proc`: `USER_HZ`, 100 on every architecture that Linux runs on but Alpha (proc(5)).
const TICKS: f64 = 100.0;

/// Sets what is known. What cannot be read (`/proc` may be hidden) stays as it was.
pub(super) fn look(all: &Families) {
    if let Some(stat) = read("stat") {
        // After the name, which may hold anything, the fields are counted from the third (proc(5)).
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let fields: Vec<f64> = after.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
        let field = |number: usize| fields.get(number - 3).copied();
        if let (Some(user), Some(system)) = (field(14), field(15)) {
            all.process_cpu.add(&[], (user + system) / TICKS - all.process_cpu.get(&[]));
        }
        if let (Some(started), Some(boot)) = (field(22), boot_time()) {
            all.process_start.set(&[], boot + started / TICKS);
        }
        if let Some(threads) = field(20) {
            all.process_threads.set(&[], threads);
        }
        if let Some(size) = field(23) {
            all.process_virtual.set(&[], size);
        }
    }
    if let Some(resident) = read("status").as_deref().and_then(|status| line(status, "VmRSS:")) {
        all.process_resident.set(&[], resident * 1024.0);
    }
    if let Some(limit) = read("limits").as_deref().and_then(|limits| line(limits, "Max open files")) {
        all.process_fds_max.set(&[], limit);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        all.process_fds.set(&[], open.count() as f64);
    }
}

fn read(name: &str) -> Option<String> {
    // A name of a process need not be UTF-8.
    fs::read(format!("/proc/self/{name}")).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn boot_time() -> Option<f64> {
    line(&fs::read_to_string("/proc/stat").ok()?, "btime")
}

/// The first number behind a name at the beginning of a line.
fn line(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_behind_names() {
        assert_eq!(line("a\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12.0));
        assert_eq!(line("Max open files   1024   4096  files", "Max open files"), Some(1024.0));
        assert_eq!(line("Max open files   unlimited", "Max open files"), None);
        assert_eq!(line("", "btime"), None);
    }
}
