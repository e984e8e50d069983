//! How records come out of the simulated log: in chunks of any size, after any time, committed ones only.

use std::ops::Range;
use std::sync::Arc;

use billing_engine::log::{Chunks, Error, Intake, Lane, Offset, Signal};
use rand::Rng;
use tokio::sync::mpsc;

use crate::broker::Place;
use crate::faults::{Step, When};
use crate::log::Core;

/// Most records of a chunk.
const LARGEST_CHUNK: usize = 24;
/// Bytes that a lane holds before it is full: little, so that it happens.
const LANE_CAPACITY: usize = 8 << 10;

/// Committed events of `range`; waits for the fate of all of them.
pub fn replay(core: Arc<Core>, range: Range<Offset>) -> Chunks {
    let (chunks, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        if let Err(error) = send_all(&core, core.unit.events(), range, &chunks).await {
            chunks.send(Err(error)).await.ok();
        }
    });
    receiver
}

/// Everything committed of the snapshots.
pub fn snapshots(core: Arc<Core>) -> Chunks {
    let (chunks, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let place = core.unit.snapshots();
        let range = core.world.state().broker.bounds(place);
        if let Err(error) = send_all(&core, place, range, &chunks).await {
            chunks.send(Err(error)).await.ok();
        }
    });
    receiver
}

async fn send_all(
    core: &Core,
    place: Place,
    range: Range<Offset>,
    chunks: &mpsc::Sender<Result<billing_engine::log::Chunk, Error>>,
) -> Result<(), Error> {
    let is_known = |state: &crate::world::State| state.broker.stable_end(place) >= range.end;
    core.world.until(|state| is_known(state) || !state.lives(core.life)).await;
    let mut position = range.start;
    while position < range.end {
        core.pass(Step::Replay, When::Before).await?;
        let chunk = {
            let mut state = core.world.state();
            let limit = state.weather.dice().random_range(1..=LARGEST_CHUNK * 4);
            let limit = limit.min((range.end - position) as usize);
            state.broker.read(place, position, limit)
        };
        position = chunk.next_offset;
        core.pass(Step::Replay, When::After).await?;
        if chunks.send(Ok(chunk)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// A lane that is read from `from` on.
pub fn follow(core: &Arc<Core>, lane: Lane, from: Offset, arrived: &Signal) -> Intake {
    let world = core.world.clone();
    let intake = Intake::new(from, LANE_CAPACITY, arrived.clone(), Arc::new(move || world.stir()));
    core.world.state().reads(core.life, intake.clone());
    tokio::spawn(feed(core.clone(), lane, from, intake.clone()));
    intake
}

async fn feed(core: Arc<Core>, lane: Lane, mut position: Offset, intake: Intake) {
    let place = core.unit.lane(lane);
    loop {
        core.world.dawdle().await;
        if core.is_over() {
            return;
        }
        let away_until = core.world.state().away_until();
        if let Some(back) = away_until {
            tokio::time::sleep_until(back).await;
        }
        let change = core.world.change_after_now();
        let chunk = {
            let mut state = core.world.state();
            let may_read = !state.is_frozen(core.life) && !intake.is_full();
            may_read.then(|| {
                let limit = state.weather.dice().random_range(1..=LARGEST_CHUNK);
                state.broker.read(place, position, limit)
            })
        };
        match chunk {
            Some(chunk) if chunk.next_offset > position => {
                position = chunk.next_offset;
                intake.push(chunk);
            }
            Some(_) | None => change.await,
        }
    }
}
