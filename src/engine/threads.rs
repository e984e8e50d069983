//! The threads that partitions live on, shared by the engines of a process.

use std::sync::Arc;

use actix::{Arbiter, ArbiterHandle};

/// Threads for partitions. Clones are the same threads, which end with the last of them.
#[derive(Clone)]
pub struct Threads {
    arbiters: Arc<Arbiters>,
}

struct Arbiters(Vec<Arbiter>);

impl Threads {
    /// That many threads; for 0 everything lives on the thread of whoever asks.
    pub fn start(threads: usize) -> Self {
        Threads { arbiters: Arc::new(Arbiters((0..threads).map(|_| Arbiter::new()).collect())) }
    }

    /// The thread of that partition.
    pub(super) fn of(&self, partition: u32) -> ArbiterHandle {
        match &self.arbiters.0[..] {
            [] => Arbiter::current(),
            arbiters => arbiters[partition as usize % arbiters.len()].handle(),
        }
    }
}

impl Drop for Arbiters {
    fn drop(&mut self) {
        for arbiter in &self.0 {
            arbiter.stop();
        }
    }
}
