//! The events of the log for everybody who follows them: the newest are read once a node, what lies further back is
//! read for whoever needs it.
//!
//! A tail follows one partition from where it ends and keeps its newest chunks, a bounded number of them. Whoever
//! follows catches up to the tail with a reader of their own, then takes from the tail; whoever is too slow for it falls
//! off and catches up again. So a thousand clients cost one reader a partition, and a slow one costs nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::position::Place;
use crate::log::{Chunk, Client, Error, Offset};

/// Chunks that a tail keeps for those who follow it, of at most 512 records and about a mebibyte each.
const KEPT: usize = 8;

/// How often it is looked whether anybody still follows a tail. One that nobody follows goes on until then, so that who
/// comes back finds it running.
const LINGER: Duration = Duration::from_secs(30);

/// Those who read further back at the same time: each costs a consumer and what it reads ahead.
const READERS: usize = 8;

/// Streams that are open at the same time.
const STREAMS: usize = 256;

/// Reaches the log.
type Connect = Box<dyn Fn() -> Result<Arc<dyn Client>, Error> + Send + Sync>;

/// The events of the log. Clones are the same feed.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
}

struct Shared {
    connect: Connect,
    partitions: u32,
    client: Mutex<Option<Arc<dyn Client>>>,
    tails: Mutex<HashMap<Place, Tail>>,
    streams: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    closed: watch::Sender<bool>,
}

/// What is known of a partition's tail, kept up to date by the task that reads it.
type Tail = watch::Receiver<State>;

#[derive(Clone, Debug)]
enum State {
    Starting,
    Running {
        first: Offset,
        next: Offset,
        newest: broadcast::Sender<Arc<Chunk>>,
    },
    /// Nobody followed any more: whoever comes starts it again.
    Left,
    Ended(Error),
}

/// A place at the tail of a partition.
pub(super) struct Seat {
    /// The oldest offset of the partition, when the tail began.
    pub(super) first: Offset,
    /// Everything from here on comes out of `newest`.
    pub(super) next: Offset,
    pub(super) newest: broadcast::Receiver<Arc<Chunk>>,
}

impl Feed {
    /// The events of a log of that many partitions, which is not connected to before somebody follows.
    pub fn new(partitions: u32, connect: impl Fn() -> Result<Arc<dyn Client>, Error> + Send + Sync + 'static) -> Feed {
        let shared = Shared {
            connect: Box::new(connect),
            partitions,
            client: Mutex::default(),
            tails: Mutex::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            readers: Arc::new(Semaphore::new(READERS)),
            closed: watch::Sender::new(false),
        };
        Feed { shared: Arc::new(shared) }
    }

    /// Ends every stream, and those that are still to come.
    pub fn close(&self) {
        self.shared.closed.send_replace(true);
    }

    /// Waits for [`Feed::close`].
    pub(super) async fn closed(&self) {
        // The sender lives as long as this handle.
        self.shared.closed.subscribe().wait_for(|closed| *closed).await.ok();
    }

    pub(super) fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    /// What every open stream holds one permit of.
    pub(super) fn streams(&self) -> Arc<Semaphore> {
        self.shared.streams.clone()
    }

    /// What everybody holds one permit of who reads further back.
    pub(super) fn readers(&self) -> Arc<Semaphore> {
        self.shared.readers.clone()
    }

    /// The log itself.
    ///
    /// # Errors
    /// What [`Feed::new`]'s `connect` fails with.
    pub(super) fn client(&self) -> Result<Arc<dyn Client>, Error> {
        let mut client = self.shared.client.lock().unwrap_or_else(PoisonError::into_inner);
        match &*client {
            Some(client) => Ok(client.clone()),
            None => Ok(client.insert((self.shared.connect)()?).clone()),
        }
    }

    /// Takes a place at the tail of a partition, and starts it when nobody did.
    ///
    /// # Errors
    /// The log does not answer, or has no such partition.
    pub(super) async fn seat(&self, place: Place) -> Result<Seat, Error> {
        loop {
            let mut tail = self.tail(place)?;
            let standing = tail.wait_for(|state| !matches!(state, State::Starting)).await;
            let standing = standing.map_err(|_| Error::Closed)?;
            match &*standing {
                // Taken while the tail cannot move: what comes next goes to this seat.
                State::Running { first, next, newest } => {
                    return Ok(Seat { first: *first, next: *next, newest: newest.subscribe() });
                }
                State::Left | State::Starting => {}
                State::Ended(error) => return Err(error.clone()),
            }
        }
    }

    fn tail(&self, place: Place) -> Result<Tail, Error> {
        let client = self.client()?;
        let mut tails = self.shared.tails.lock().unwrap_or_else(PoisonError::into_inner);
        let running = tails.get(&place).filter(|tail| !matches!(*tail.borrow(), State::Left | State::Ended(_)));
        if let Some(tail) = running {
            return Ok(tail.clone());
        }
        let (state, tail) = watch::channel(State::Starting);
        tokio::spawn(async move {
            let end = read(client, place, &state).await.map_or_else(State::Ended, |()| State::Left);
            state.send_replace(end);
        });
        tails.insert(place, tail.clone());
        Ok(tail)
    }
}

/// Reads a partition from its end on, until nobody follows or it cannot be read.
async fn read(client: Arc<dyn Client>, place: Place, state: &watch::Sender<State>) -> Result<(), Error> {
    let bounds = client.bounds(place.topic(), place.partition).await?;
    let (newest, _) = broadcast::channel(KEPT);
    state.send_replace(State::Running { first: bounds.start, next: bounds.end, newest });
    let mut chunks = client.follow(place.topic(), place.partition, bounds.end);
    // Not a time without events: where they never pause, it would never be looked whether anybody still follows.
    let mut looks = interval_at(Instant::now() + LINGER, LINGER);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            chunk = chunks.recv() => match chunk {
                Some(Ok(chunk)) => state.send_modify(|state| state.moved(chunk)),
                Some(Err(error)) => return Err(error),
                None => return Err(Error::Unavailable(format!("{place} is not read any more"))),
            },
            _ = looks.tick() => {
                if state.send_if_modified(State::left) {
                    return Ok(());
                }
            }
        }
    }
}

impl State {
    /// More was read.
    fn moved(&mut self, chunk: Chunk) {
        if let State::Running { next, newest, .. } = self {
            *next = chunk.next_offset;
            // Nobody may be there to take it.
            newest.send(Arc::new(chunk)).ok();
        }
    }

    /// Ends what nobody follows; true when it did.
    fn left(&mut self) -> bool {
        let alone = matches!(self, State::Running { newest, .. } if newest.receiver_count() == 0);
        if alone {
            *self = State::Left;
        }
        alone
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use tokio::sync::mpsc;
    use tokio::time::sleep;

    use super::*;
    use crate::log::{Answer, Chunks, Drafts, Topic};
    use crate::queries::Side;

    const PLACE: Place = Place { side: Side::Accounts, partition: 0 };

    /// A log to which something comes every second, or that is closed.
    #[derive(Default)]
    struct Busy {
        closed: bool,
        /// Who reads it now.
        readers: Arc<AtomicUsize>,
    }

    impl Client for Busy {
        fn append(&self, _: Drafts) -> Answer<()> {
            async { Err(Error::Closed) }.boxed()
        }

        fn bounds(&self, _: Topic, _: u32) -> Answer<Range<Offset>> {
            let bounds = if self.closed { Err(Error::Closed) } else { Ok(0..10) };
            async { bounds }.boxed()
        }

        fn written_end(&self, _: Topic, _: u32) -> Answer<Offset> {
            async { Ok(10) }.boxed()
        }

        fn read(&self, _: Topic, _: u32, range: Range<Offset>) -> Chunks {
            let (chunks, read) = mpsc::channel(1);
            let readers = self.readers.clone();
            readers.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                for next in range {
                    sleep(Duration::from_secs(1)).await;
                    if chunks.send(Ok(Chunk::empty(next))).await.is_err() {
                        break;
                    }
                }
                readers.fetch_sub(1, Ordering::SeqCst);
            });
            read
        }

        fn follow(&self, topic: Topic, partition: u32, from: Offset) -> Chunks {
            self.read(topic, partition, from..Offset::MAX)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_tail_that_nobody_follows_ends_where_events_never_pause_too() {
        let log = Arc::new(Busy::default());
        let (readers, client) = (log.readers.clone(), log);
        let feed = Feed::new(1, move || Ok(client.clone()));
        let mut seat = feed.seat(PLACE).await.unwrap();
        for _ in 0..100 {
            seat.newest.recv().await.unwrap();
        }
        assert_eq!(readers.load(Ordering::SeqCst), 1, "it goes on while somebody follows");
        drop(seat);
        sleep(LINGER * 2).await;
        assert_eq!(readers.load(Ordering::SeqCst), 0);
        let mut again = feed.seat(PLACE).await.unwrap();
        assert!(again.newest.recv().await.is_ok(), "who comes back starts it again");
    }

    #[tokio::test]
    async fn a_log_that_is_closed_has_no_seats() {
        let client = Arc::new(Busy { closed: true, ..Busy::default() });
        let feed = Feed::new(1, move || Ok(client.clone()));
        let seat = tokio::time::timeout(Duration::from_secs(5), feed.seat(PLACE))
            .await
            .expect("it is not asked again and again");
        assert!(matches!(seat, Err(Error::Closed)));
    }
}
