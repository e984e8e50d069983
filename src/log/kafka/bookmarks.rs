//! Where a group that only reads says it stands: committed by the member, for those who watch the group.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::topic_partition_list::Offset as Position;

use crate::log::Offset;

/// Between two commits: a group that has come to rest shows it within seconds.
const EVERY: Duration = Duration::from_secs(1);

/// What has been said is said again after this time, because brokers forget offsets that nobody repeats.
const AGAIN: Duration = Duration::from_hours(1);

/// Offsets to be committed, and what is known of those that were.
pub(super) struct Bookmarks {
    topics: Vec<String>,
    state: Mutex<State>,
}

struct State {
    offsets: BTreeMap<(usize, u32), Bookmark>,
    said: Instant,
    repeated: Instant,
}

#[derive(Clone, Copy)]
struct Bookmark {
    wanted: Offset,
    confirmed: Option<Offset>,
}

impl Bookmarks {
    pub(super) fn new(topics: Vec<String>) -> Self {
        let now = Instant::now();
        let state = State { offsets: BTreeMap::new(), said: now, repeated: now };
        Bookmarks { topics, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The partition of each topic stands there now.
    pub(super) fn set(&self, partition: u32, next_offsets: &[Offset]) {
        let mut state = self.state();
        for (topic, wanted) in next_offsets.iter().enumerate() {
            let confirmed = state.offsets.get(&(topic, partition)).and_then(|bookmark| bookmark.confirmed);
            state.offsets.insert((topic, partition), Bookmark { wanted: *wanted, confirmed });
        }
    }

    /// What is to be committed now, if it is time for it.
    pub(super) fn due(&self) -> Option<TopicPartitionList> {
        let mut state = self.state();
        if state.said.elapsed() < EVERY {
            return None;
        }
        state.said = Instant::now();
        if state.repeated.elapsed() >= AGAIN {
            state.repeated = Instant::now();
            state.offsets.values_mut().for_each(|bookmark| bookmark.confirmed = None);
        }
        self.unconfirmed(&state, |_| true)
    }

    /// What is not yet known to be committed of partitions that are given up; nothing more is said about them.
    pub(super) fn close(&self, partitions: &[u32]) -> Option<TopicPartitionList> {
        let mut state = self.state();
        let last = self.unconfirmed(&state, |partition| partitions.contains(&partition));
        state.offsets.retain(|(_, partition), _| !partitions.contains(partition));
        last
    }

    /// These are committed.
    pub(super) fn confirm(&self, committed: &TopicPartitionList) {
        let mut state = self.state();
        for element in committed.elements().iter().filter(|element| element.error().is_ok()) {
            let topic = self.topics.iter().position(|topic| topic == element.topic());
            let key = topic.map(|topic| (topic, element.partition().cast_unsigned()));
            if let (Some(bookmark), Position::Offset(offset)) =
                (key.and_then(|key| state.offsets.get_mut(&key)), element.offset())
            {
                bookmark.confirmed = Some(offset);
            }
        }
    }

    fn unconfirmed(&self, state: &State, which: impl Fn(u32) -> bool) -> Option<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), bookmark) in &state.offsets {
            if which(*partition) && bookmark.confirmed != Some(bookmark.wanted) {
                let (topic, offset) = (&self.topics[*topic], Position::Offset(bookmark.wanted));
                list.add_partition_offset(topic, partition.cast_signed(), offset).ok()?;
            }
        }
        (list.count() > 0).then_some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(list: Option<TopicPartitionList>) -> Vec<(String, i32, Option<i64>)> {
        let list = list.unwrap_or_default();
        list.elements().iter().map(|e| (e.topic().to_owned(), e.partition(), e.offset().to_raw())).collect()
    }

    #[test]
    fn what_is_confirmed_is_not_said_again_and_what_is_given_up_is_said_once_more() {
        let bookmarks = Bookmarks::new(vec!["a".into(), "b".into()]);
        bookmarks.set(0, &[5, 7]);
        bookmarks.state().said -= EVERY;
        let due = bookmarks.due().unwrap();
        assert_eq!(offsets(Some(due.clone())), [("a".into(), 0, Some(5)), ("b".into(), 0, Some(7))]);
        assert!(bookmarks.due().is_none(), "not before its time");
        bookmarks.confirm(&due);
        bookmarks.state().said -= EVERY;
        assert!(bookmarks.due().is_none(), "all of it is known");
        bookmarks.set(0, &[6, 7]);
        assert_eq!(offsets(bookmarks.close(&[0])), [("a".into(), 0, Some(6))]);
        assert!(bookmarks.close(&[0]).is_none(), "nothing is said about what somebody else may own");
    }
}
