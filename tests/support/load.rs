//! A stream of commands that is the same for the same seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::upstream::{self, Upstream};

/// Commands on a number of accounts: each account is opened, then random ones are credited and debited. Some commands
/// come twice, and some debits are more than there is.
pub struct Load {
    random: StdRng,
    accounts: usize,
    sent: usize,
    last: Value,
}

impl Load {
    /// On that many accounts.
    ///
    /// # Panics
    /// When there are none.
    pub fn new(seed: u64, accounts: usize) -> Load {
        assert!(accounts > 0, "somebody must be paid");
        Load { random: StdRng::seed_from_u64(seed), accounts, sent: 0, last: Value::Null }
    }
}

impl Iterator for Load {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let number = self.sent;
        self.sent += 1;
        if number < self.accounts {
            return Some(upstream::create(&account(number)));
        }
        if !self.last.is_null() && self.random.random_ratio(1, 50) {
            return Some(self.last.take());
        }
        let account = account(self.random.random_range(0..self.accounts));
        let amount = format!("{}.{:02}", self.random.random_range(0..100), self.random.random_range(1..100));
        let id = format!("cmd-{number}");
        self.last = if self.random.random_ratio(2, 5) {
            upstream::debit(&account, &id, &amount)
        } else {
            upstream::credit(&account, &id, &amount)
        };
        Some(self.last.clone())
    }
}

/// Ids such as those of the seed.
fn account(number: usize) -> String {
    format!("acc-550e8400-e29b-41d4-a716-{number:012}")
}

/// Somebody who writes a load at a steady pace, in a thread of its own, while the test does its worst.
pub struct Stream {
    stopped: Arc<AtomicBool>,
    writer: JoinHandle<()>,
}

impl Stream {
    /// Begins at once.
    pub fn start(upstream: Upstream, load: Load, per_second: u32) -> Stream {
        let stopped = Arc::new(AtomicBool::new(false));
        let asked_to_stop = Arc::clone(&stopped);
        let writer = thread::spawn(move || {
            let began = Instant::now();
            for (sent, command) in (0..).zip(load) {
                if asked_to_stop.load(Ordering::Relaxed) {
                    break;
                }
                upstream.send(&command);
                // The pace of upstream is part of the load, not a wait for anything.
                thread::sleep((Duration::from_secs(1) * sent / per_second).saturating_sub(began.elapsed()));
            }
            upstream.flush();
        });
        Stream { stopped, writer }
    }

    /// Stops, and waits until all that was written is acknowledged.
    ///
    /// # Panics
    /// When something was not.
    pub fn stop(self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.writer.join().expect("upstream could write all its commands");
    }
}
