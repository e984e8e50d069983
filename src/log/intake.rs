//! The bounded queue between a reader of the log and the partition it feeds.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::records::{Chunk, Offset};

/// Called when a queue changes state; must not block and may come from any thread.
pub type Signal = Arc<dyn Fn() + Send + Sync>;

/// One lane of one partition. The reader pushes until it is full, the partition takes until it is empty;
/// both ends are clones of the same value.
///
/// Full at `capacity` bytes, hungry again below half of it: the reader fetches for hungry lanes only, so a
/// lane that nobody empties costs its capacity and no more.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
}

struct Shared {
    capacity: usize,
    /// Told when a chunk arrives in an empty queue, or the reader failed.
    arrived: Signal,
    /// Told when the queue turns hungry.
    hungry: Signal,
    queue: Mutex<Queue>,
}

struct Queue {
    chunks: VecDeque<Chunk>,
    records: usize,
    bytes: usize,
    next_offset: Offset,
    full_since: Option<Instant>,
    waited_full: Duration,
    failure: Option<super::Error>,
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = self.queue();
        f.debug_struct("Intake").field("records", &queue.records).field("bytes", &queue.bytes).finish_non_exhaustive()
    }
}

impl Intake {
    /// An empty lane standing at `next_offset`.
    pub fn new(next_offset: Offset, capacity: usize, arrived: Signal, hungry: Signal) -> Self {
        let queue = Queue {
            chunks: VecDeque::new(),
            records: 0,
            bytes: 0,
            next_offset,
            full_since: None,
            waited_full: Duration::ZERO,
            failure: None,
        };
        Intake { shared: Arc::new(Shared { capacity, arrived, hungry, queue: Mutex::new(queue) }) }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reader's end: hands over what was read. Never blocks; whether to read on is asked by [`Intake::is_full`].
    pub fn push(&self, chunk: Chunk) {
        let mut queue = self.queue();
        let was_empty = queue.chunks.is_empty();
        queue.records += chunk.len();
        queue.bytes += chunk.size();
        queue.next_offset = chunk.next_offset;
        match queue.chunks.back_mut() {
            Some(last) if chunk.is_empty() => last.next_offset = chunk.next_offset,
            _ => queue.chunks.push_back(chunk),
        }
        if queue.bytes >= self.shared.capacity && queue.full_since.is_none() {
            queue.full_since = Some(Instant::now());
        }
        drop(queue);
        if was_empty {
            (self.shared.arrived)();
        }
    }

    /// The reader's end: nothing more will come; the partition finds out at its next [`Intake::take`].
    pub fn fail(&self, error: super::Error) {
        self.queue().failure = Some(error);
        (self.shared.arrived)();
    }

    /// True from the moment the capacity is reached until half of it is free again.
    pub fn is_full(&self) -> bool {
        self.queue().full_since.is_some()
    }

    /// Offset behind everything that was pushed.
    pub fn next_offset(&self) -> Offset {
        self.queue().next_offset
    }

    /// Records that wait.
    pub fn len(&self) -> usize {
        self.queue().records
    }

    /// True when nothing waits, not even a position.
    pub fn is_empty(&self) -> bool {
        self.queue().chunks.is_empty()
    }

    /// The partition's end: whether the reader still reads.
    ///
    /// # Errors
    /// What stopped it, once everything read before has been taken.
    pub fn check(&self) -> Result<(), super::Error> {
        let queue = self.queue();
        match &queue.failure {
            Some(failure) if queue.chunks.is_empty() => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    /// The partition's end: the oldest chunk.
    ///
    /// # Errors
    /// What stopped the reader, once everything read before it has been taken.
    pub fn take(&self) -> Result<Option<Chunk>, super::Error> {
        let mut queue = self.queue();
        let Some(chunk) = queue.chunks.pop_front() else {
            return queue.failure.clone().map_or(Ok(None), Err);
        };
        queue.records -= chunk.len();
        queue.bytes -= chunk.size();
        let mut turned_hungry = false;
        if queue.bytes <= self.shared.capacity / 2
            && let Some(since) = queue.full_since.take()
        {
            queue.waited_full += since.elapsed();
            turned_hungry = true;
        }
        drop(queue);
        if turned_hungry {
            (self.shared.hungry)();
        }
        Ok(Some(chunk))
    }

    /// Time that this lane was full since the last call, for `billing_backpressure_seconds_total`.
    pub fn drain_waited_full(&self) -> Duration {
        let mut queue = self.queue();
        let mut waited = std::mem::take(&mut queue.waited_full);
        if let Some(since) = queue.full_since.as_mut() {
            waited += since.elapsed();
            *since = Instant::now();
        }
        waited
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counter() -> (Arc<AtomicUsize>, Signal) {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = count.clone();
        (
            count,
            Arc::new(move || {
                seen.fetch_add(1, Ordering::SeqCst);
            }),
        )
    }

    fn chunk(from: Offset, bytes: usize) -> Chunk {
        let mut chunk = Chunk::empty(from);
        chunk.push(from, 0, |r| r.value(&vec![0; bytes.saturating_sub(32)]));
        chunk
    }

    #[test]
    fn a_full_lane_turns_hungry_only_at_half() {
        let (arrived, arrive) = counter();
        let (hungry, hunger) = counter();
        let lane = Intake::new(0, 100, arrive, hunger);
        lane.push(chunk(0, 40));
        lane.push(chunk(1, 40));
        assert!(!lane.is_full());
        lane.push(chunk(2, 40));
        assert!(lane.is_full());
        assert_eq!(arrived.load(Ordering::SeqCst), 1, "told once while it was not empty");
        lane.take().unwrap();
        assert!(lane.is_full(), "80 of 100 is not yet hungry");
        lane.take().unwrap();
        assert!(!lane.is_full());
        assert_eq!(hungry.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_position_alone_moves_the_last_chunk_along() {
        let (_, signal) = counter();
        let lane = Intake::new(0, 100, signal.clone(), signal);
        lane.push(chunk(0, 1));
        lane.push(Chunk::empty(5));
        let taken = lane.take().unwrap().unwrap();
        assert_eq!((taken.len(), taken.next_offset), (1, 5));
        assert!(lane.take().unwrap().is_none());
    }

    #[test]
    fn what_was_read_before_a_failure_is_still_taken() {
        let (_, signal) = counter();
        let lane = Intake::new(0, 100, signal.clone(), signal);
        lane.push(chunk(0, 1));
        lane.fail(super::super::Error::Closed);
        assert!(lane.take().unwrap().is_some());
        assert!(lane.take().is_err());
    }
}
