//! What the figures were measured on, and whether anybody else was at work meanwhile.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::process::run;

/// One line each, for the report.
pub fn describe(folder: &Path) -> Vec<String> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let processor = read("/proc/cpuinfo");
    let cores = processor.lines().filter(|line| line.starts_with("processor")).count();
    let memory: f64 = after(&read("/proc/meminfo"), "MemTotal")
        .split_whitespace()
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let system = read("/etc/os-release");
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    vec![
        format!("{cores} cores, {}", after(&processor, "model name")),
        format!("{:.0} GiB of memory", memory / 1024.0 / 1024.0),
        format!(
            "{}, Linux {}",
            system.unwrap_or("?").trim_matches('"'),
            read("/proc/sys/kernel/osrelease").trim()
        ),
        format!(
            "fdatasync of 8 KiB: {:.0} µs (median of 200)",
            sync_us(folder).unwrap_or(f64::NAN)
        ),
    ]
}

/// The revision that was measured.
pub fn revision() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut git = std::process::Command::new("git");
    run(git.args(["-C", root, "describe", "--always", "--dirty", "--abbrev=12"]))
        .map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

fn sync_us(folder: &Path) -> Result<f64> {
    use std::io::{Seek, Write};
    let path = folder.join("sync");
    let mut file = fs::File::create(&path)?;
    file.write_all(&[1; 8192])?;
    file.sync_all()?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        file.rewind()?;
        file.write_all(&[2; 8192])?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(path)?;
    times.sort_by(f64::total_cmp);
    Ok(times[100])
}

/// CPU time of the whole machine: (at work, in all), in ticks.
pub fn cpu_ticks() -> (f64, f64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> =
        line.split_whitespace().skip(1).take(8).flat_map(|word| word.parse()).collect();
    let all: f64 = ticks.iter().sum();
    let idle =
        ticks.get(3).copied().unwrap_or_default() + ticks.get(4).copied().unwrap_or_default();
    (all - idle, all)
}
