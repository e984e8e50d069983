//! What sled alone takes for so many records of so many bytes: the measure for what the engine takes on top of it.
//!
//! `cargo bench --bench sled_alone -- 10000000 260`, records and bytes of each.

#![allow(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use billing_engine::snapshots::BATCH;

/// As the engine opens its own.
const CACHE_BYTES: u64 = 64 << 20;
const FLUSH_EVERY: Duration = Duration::from_millis(500);

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let [records, bytes] = numbers[..] else {
        // Also what `cargo bench` without a name comes to: ten million records are not for everybody's disk.
        return println!("sled_alone: give it records and bytes of each, such as -- 1000000 260");
    };
    let place = tempfile::tempdir().expect("a directory can be made");
    let before = resident();
    let began = Instant::now();
    let database = sled::Config::new()
        .path(place.path())
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(u64::try_from(FLUSH_EVERY.as_millis()).ok())
        .open()
        .expect("an empty directory opens");
    let mut next = 0;
    while next < records {
        let mut batch = sled::Batch::default();
        for number in next..records.min(next + BATCH as u64) {
            batch.insert(key(number).as_str(), value(number, bytes));
        }
        database.apply_batch(batch).expect("the disk has room");
        next += BATCH as u64;
    }
    database.flush().expect("the disk has room");
    let took = began.elapsed();
    println!(
        "{records} records of {bytes} bytes in {:.1} s: {} MiB resident at the end, {} MiB at most, {} MiB before, {} MiB on disk",
        took.as_secs_f64(),
        resident().now,
        resident().most,
        before.now,
        on_disk(place.path()) >> 20,
    );
}

/// Keys come in no order, as those of accounts do: 36 bytes.
fn key(number: u64) -> String {
    let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{scattered:016x}{number:020}")
}

fn value(number: u64, bytes: u64) -> Vec<u8> {
    (0..bytes).map(|place| (number.wrapping_mul(place + 1) >> 3) as u8).collect()
}

/// Memory of this process, in MiB.
struct Resident {
    now: u64,
    most: u64,
}

fn resident() -> Resident {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it is there");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") >> 10
    };
    Resident { now: of("VmRSS:"), most: of("VmHWM:") }
}

fn on_disk(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).expect("it is there").flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => on_disk(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
