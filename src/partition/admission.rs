//! How many transactions may be open at once: at the bound commands wait, and what is under way goes on.

use std::time::Duration;

use tokio::time::Instant;

use super::agenda::Outlook;

/// Admits commands while there is room for what they open.
#[derive(Debug)]
pub struct Admission {
    most: usize,
    open: usize,
    waiting_since: Option<Instant>,
    waited: Duration,
}

impl Admission {
    /// At most so many, of which so many are open.
    pub fn new(most: usize, open: usize) -> Self {
        Admission { most, open, waiting_since: None, waited: Duration::ZERO }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open
    }

    /// How many commands may be taken, as if each opened something.
    pub fn room(&self) -> usize {
        self.most.saturating_sub(self.open)
    }

    /// What is to come of an aggregate has changed.
    ///
    /// # Panics
    /// When more end than were open: memory is not what it is taken for, and the partition has to be built again.
    pub fn turned(&mut self, from: Outlook, to: Outlook) {
        let open = (self.open + usize::from(to.is_open)).checked_sub(usize::from(from.is_open));
        self.open = open.expect("what ends was open");
    }

    /// Notes whether commands wait now; only those count that wait for room.
    pub fn look(&mut self, commands_wait: bool) {
        let waits = commands_wait && self.room() == 0;
        match self.waiting_since {
            None if waits => self.waiting_since = Some(Instant::now()),
            Some(since) if !waits => {
                self.waited += since.elapsed();
                self.waiting_since = None;
            }
            None | Some(_) => {}
        }
    }

    /// Time for which commands waited for room since the last call.
    pub fn drain_waited(&mut self) -> Duration {
        let mut waited = std::mem::take(&mut self.waited);
        if let Some(since) = &mut self.waiting_since {
            waited += since.elapsed();
            *since = Instant::now();
        }
        waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Outlook = Outlook { next_expiry: None, is_open: true };
    const ENDED: Outlook = Outlook { next_expiry: None, is_open: false };

    #[test]
    #[should_panic(expected = "what ends was open")]
    fn a_count_below_nothing_ends_the_partition_and_is_no_bound_that_is_never_left() {
        Admission::new(2, 0).turned(OPEN, ENDED);
    }

    #[test]
    fn there_is_room_until_as_many_are_open_as_may_be() {
        let mut admission = Admission::new(2, 1);
        assert_eq!(admission.room(), 1);
        admission.turned(ENDED, OPEN);
        assert_eq!((admission.room(), admission.open()), (0, 2));
        admission.turned(ENDED, OPEN);
        assert_eq!(admission.room(), 0, "what came by the inbox is past the bound");
        admission.turned(OPEN, ENDED);
        admission.turned(OPEN, OPEN);
        admission.turned(OPEN, ENDED);
        assert_eq!(admission.room(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn only_commands_that_wait_for_room_are_said_to_wait() {
        let mut admission = Admission::new(1, 0);
        admission.look(true);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(admission.drain_waited(), Duration::ZERO, "there is room");
        admission.turned(ENDED, OPEN);
        admission.look(true);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(admission.drain_waited(), Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(1)).await;
        admission.turned(OPEN, ENDED);
        admission.look(true);
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(admission.drain_waited(), Duration::from_secs(1));
    }
}
