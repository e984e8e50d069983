//! Waiting for a state instead of for time.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a state is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// Looks until `probe` answers, and returns its answer.
///
/// # Panics
/// When `limit` has passed without one; the message names `what` was waited for.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        sleep(INTERVAL);
    }
}

/// Looks until `probe` is true.
///
/// # Panics
/// As [`until`].
pub fn until_true(what: &str, limit: Duration, mut probe: impl FnMut() -> bool) {
    until(what, limit, || probe().then_some(()));
}

/// True when `probe` stays true for all of `span`: for states that must not end.
pub fn stays(span: Duration, mut probe: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + span;
    while Instant::now() < end {
        if !probe() {
            return false;
        }
        sleep(INTERVAL);
    }
    true
}
