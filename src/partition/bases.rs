//! Events that wait until the snapshots they are folded on top of are loaded.
//!
//! A shelf reads whole pages, and on each lie the snapshots of several aggregates: asked for few of many it reads the
//! same pages again and again. So as long as the snapshot of somebody is missing the events are gathered, and all
//! snapshots that they need are asked for in the order in which they lie there.

use foldhash::HashSet;

use crate::domain::ids::AggregateId;
use crate::log::Chunk;
use crate::snapshots;

/// Bytes of events that are gathered, for each partition that is built: some hundred thousand of them. The aggregates
/// that so many events add to take more.
const GATHERED_BYTES: usize = 64 << 20;

/// Most snapshots that are asked for at once, because other partitions wait meanwhile.
const ASKED_AT_ONCE: usize = 4_096;

/// Events in order, and whose snapshots are missing.
#[derive(Default)]
pub struct Gathered {
    events: Vec<Portion>,
    bytes: usize,
    missing: HashSet<AggregateId>,
}

/// Some records of a chunk.
pub struct Portion {
    /// What was read.
    pub chunk: Chunk,
    /// Those of it that are folded.
    pub records: Vec<usize>,
}

impl Gathered {
    /// Adds events; of those aggregates that are not `known` the snapshots are missing.
    pub fn add(&mut self, portion: Portion, is_known: impl Fn(&AggregateId) -> bool) {
        let Portion { chunk, records } = &portion;
        let keys = records.iter().filter_map(|record| str::from_utf8(chunk.get(*record).key?).ok());
        let ids = keys.filter_map(|key| AggregateId::parse(key).ok());
        self.missing.extend(ids.filter(|id| !is_known(id)));
        self.bytes += chunk.size();
        self.events.push(portion);
    }

    /// True when there is no reason to wait for more events.
    pub fn is_enough(&self) -> bool {
        self.missing.is_empty() || self.bytes >= GATHERED_BYTES
    }

    /// The events, and whose snapshots have to be loaded before, by what is asked for at once.
    pub fn take(&mut self) -> (Vec<Portion>, Vec<Vec<AggregateId>>) {
        let Gathered { events, missing, .. } = std::mem::take(self);
        let mut missing: Vec<AggregateId> = missing.into_iter().collect();
        missing.sort_by_cached_key(|id| (snapshots::neighbourhood(id.as_str().as_bytes()), id.clone()));
        (events, missing.chunks(ASKED_AT_ONCE).map(<[_]>::to_vec).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portion(names: &[&str], bytes: usize) -> Portion {
        let mut chunk = Chunk::empty(0);
        for (offset, name) in names.iter().enumerate() {
            chunk.push(offset as i64, 0, |record| {
                record.key(name.as_bytes());
                record.value(&vec![0; bytes]);
            });
        }
        Portion { records: (0..chunk.len()).collect(), chunk }
    }

    #[test]
    fn events_wait_for_others_only_while_a_snapshot_is_missing() {
        let mut gathered = Gathered::default();
        gathered.add(portion(&["a", "b"], 10), |_| true);
        assert!(gathered.is_enough());
        gathered.add(portion(&["a", "c", "c"], 10), |id| id.as_str() == "a");
        assert!(!gathered.is_enough());
        let (events, missing) = gathered.take();
        assert_eq!(events.iter().map(|portion| portion.records.len()).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(missing, [[AggregateId::parse("c").unwrap()]]);
        assert!(gathered.is_enough() && gathered.take().0.is_empty(), "what was taken is gone");
    }

    #[test]
    fn no_more_is_gathered_than_memory_allows_and_no_more_asked_for_than_others_can_wait() {
        let mut gathered = Gathered::default();
        for _ in 1..GATHERED_BYTES >> 20 {
            gathered.add(portion(&["a"], 1 << 20), |_| false);
            assert!(!gathered.is_enough());
        }
        gathered.add(portion(&["a"], 1 << 20), |_| false);
        assert!(gathered.is_enough());
        let names: Vec<String> = (0..ASKED_AT_ONCE * 2 + 1).map(|number| format!("acc-{number}")).collect();
        gathered.add(portion(&names.iter().map(String::as_str).collect::<Vec<_>>(), 0), |_| false);
        let (_, missing) = gathered.take();
        assert_eq!(missing.iter().map(Vec::len).collect::<Vec<_>>(), [ASKED_AT_ONCE, ASKED_AT_ONCE, 2]);
        let places: Vec<_> =
            missing.iter().flatten().map(|id| snapshots::neighbourhood(id.as_str().as_bytes())).collect();
        assert!(places.is_sorted(), "neighbours are asked for together");
    }
}
