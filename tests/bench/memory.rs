//! A partition in memory: what is to be read waits already, and every commit is answered at once.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use billing_engine::log::{Answer, Chunk, Chunks, Commit, Input, Intake, Lane, Offset, Partition, PerLane, Signal};
use futures_util::FutureExt;
use futures_util::future::ready;
use tokio::sync::{mpsc, watch};

/// Where a partition stands: what is committed, and how many records that wrote.
#[derive(Clone, Copy, Default)]
pub struct Progress {
    pub next_command: Offset,
    pub written: usize,
}

/// A log of one partition, without events of its own.
pub struct Memory {
    commands: Mutex<Option<Intake>>,
    progress: watch::Sender<Progress>,
}

impl Memory {
    pub fn new() -> Arc<Self> {
        Arc::new(Memory { commands: Mutex::new(None), progress: watch::Sender::default() })
    }

    /// Hands all of it to the partition and waits until it is committed; answers how many records were written.
    pub async fn drain(&self, chunks: Vec<Chunk>) -> usize {
        let mut progress = self.progress.subscribe();
        let before = *progress.borrow_and_update();
        let commands = self.commands.lock().unwrap().clone().expect("the partition is running");
        chunks.into_iter().for_each(|chunk| commands.push(chunk));
        let end = commands.next_offset();
        let after = progress.wait_for(|now| now.next_command == end).await.expect("the partition lives");
        after.written - before.written
    }

    /// Waits until the partition reads.
    pub async fn is_followed(&self) {
        while self.commands.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    }

    /// Offset behind everything handed over so far.
    pub fn end(&self) -> Offset {
        self.commands.lock().unwrap().as_ref().map_or(0, Intake::next_offset)
    }
}

fn answer<T: Send + 'static>(value: T) -> Answer<T> {
    ready(Ok(value)).boxed()
}

impl Partition for Memory {
    fn number(&self) -> u32 {
        0
    }

    fn fence(&self) -> Answer<()> {
        answer(())
    }

    fn inputs(&self) -> Answer<PerLane<Input>> {
        answer(PerLane::from_fn(|_| Input { committed: Some(0), start: 0, end: 0 }))
    }

    fn events_bounds(&self) -> Answer<Range<Offset>> {
        answer(0..0)
    }

    fn replay(&self, _: Range<Offset>) -> Chunks {
        mpsc::channel(1).1
    }

    fn snapshots(&self) -> Chunks {
        mpsc::channel(1).1
    }

    fn identity(&self) -> Answer<String> {
        answer("memory".to_owned())
    }

    fn follow(&self, from: PerLane<Offset>, arrived: Signal) -> Answer<PerLane<Intake>> {
        let never_hungry: Signal = Arc::new(|| {});
        let lanes = PerLane::from_fn(|lane: Lane| {
            Intake::new(*from.of(lane), usize::MAX, arrived.clone(), never_hungry.clone())
        });
        *self.commands.lock().unwrap() = Some(lanes.commands.clone());
        answer(lanes)
    }

    fn ends(&self) -> Answer<PerLane<Offset>> {
        answer(PerLane { commands: self.end(), inbox: 0 })
    }

    fn commit(&self, commit: Arc<Commit>) -> Answer<Option<Offset>> {
        self.progress.send_modify(|progress| {
            progress.next_command = commit.next_offsets.commands;
            progress.written += commit.records.len();
        });
        answer(None)
    }

    fn close(&self) -> Answer<()> {
        answer(())
    }
}
