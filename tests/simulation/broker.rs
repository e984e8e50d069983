//! What Kafka promises, as plain data: append-only partitions, transactions with their markers, fencing epochs,
//! committed offsets. No time passes in here and nothing fails.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use billing_engine::log::{Chunk, Draft, Drafts, Input, Lane, Millis, Offset, PerLane, Topic};

use crate::unit::Unit;

/// One partition of one topic.
pub type Place = (Topic, u32);

/// Names a transaction.
pub type TransactionId = usize;

/// Names a handle on a partition; later ones are greater.
pub type HandleId = u64;

/// A record as it lies in the log.
#[derive(Clone, Debug)]
pub struct Written {
    pub timestamp: Millis,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Written {
    /// The last header of that name, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(found, _)| found == name.as_bytes())?;
        str::from_utf8(value.as_deref()?).ok()
    }

    fn of(draft: Draft<'_>, now: Millis) -> Self {
        let headers = draft.headers.iter().map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)));
        Written {
            timestamp: draft.timestamp.unwrap_or(now),
            key: draft.key.map(<[u8]>::to_vec),
            value: draft.value.map(<[u8]>::to_vec),
            headers: headers.collect(),
        }
    }
}

/// What stands at one offset.
enum Slot {
    Record {
        record: Written,
        transaction: Option<TransactionId>,
    },
    /// The end of a transaction; nobody ever sees it, but it takes an offset.
    Marker,
}

#[derive(Default)]
struct Strand {
    start: Offset,
    slots: Vec<Slot>,
    /// Open transactions and the offset of their first record here.
    open: BTreeMap<TransactionId, Offset>,
}

impl Strand {
    fn end(&self) -> Offset {
        self.start + self.slots.len() as Offset
    }

    /// Offset of the first record whose fate is not known yet.
    fn stable_end(&self) -> Offset {
        self.open.values().copied().min().unwrap_or_else(|| self.end())
    }
}

/// What becomes of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Open,
    Committed,
    Aborted,
}

struct Transaction {
    fate: Fate,
    touched: BTreeSet<Place>,
    /// Its records, by where they lie.
    written: Vec<(Place, usize)>,
    /// Who consumes with it, and how far.
    consumed: Option<(Unit, HandleId, PerLane<Offset>)>,
}

/// The transactional id of one unit.
#[derive(Default)]
struct Producer {
    epoch: u64,
    /// Open transactions, and who began them.
    open: BTreeMap<TransactionId, HandleId>,
}

/// What happened to committed offsets, in the order in which it became visible.
#[derive(Clone, Debug)]
pub enum Moment {
    /// A handle that nobody had fenced was told where to go on.
    TakenOver { unit: Unit, handle: HandleId },
    /// A transaction moved them.
    Moved { unit: Unit, handle: HandleId, to: PerLane<Offset>, transaction: TransactionId },
    /// Somebody changed them from outside, and they had been this.
    Tampered { unit: Unit, before: PerLane<Option<Offset>> },
}

/// The broker.
pub struct Broker {
    strands: BTreeMap<Place, Strand>,
    transactions: Vec<Transaction>,
    producers: BTreeMap<Unit, Producer>,
    committed: BTreeMap<Unit, PerLane<Option<Offset>>>,
    journal: Vec<Moment>,
    /// Ends of those that stayed when all others were made anew.
    inherited: BTreeMap<Place, Offset>,
}

/// Inputs that begin at `start`, because what was before has expired.
fn inputs(partitions: u32, start: Offset) -> impl Iterator<Item = (Place, Strand)> {
    let inputs = Unit::all(partitions).flat_map(|unit| Lane::ALL.map(|lane| unit.lane(lane)));
    inputs.map(move |place| (place, Strand { start, ..Strand::default() }))
}

impl Broker {
    /// A broker whose inputs begin at `start`.
    pub fn new(partitions: u32, start: Offset) -> Self {
        Broker {
            strands: inputs(partitions, start).collect(),
            transactions: Vec::new(),
            producers: BTreeMap::new(),
            committed: BTreeMap::new(),
            journal: Vec::new(),
            inherited: BTreeMap::new(),
        }
    }

    /// Deletes all topics, but for those that are spared, and makes them anew. Their offsets go with them.
    pub fn remake(&mut self, partitions: u32, start: Offset, is_spared: impl Fn(Place) -> bool) {
        Unit::all(partitions).for_each(|unit| self.abort_open(unit));
        self.strands.retain(|place, _| is_spared(*place));
        self.inherited = self.strands.iter().map(|(place, strand)| (*place, strand.end())).collect();
        self.strands.extend(inputs(partitions, start));
        self.committed.clear();
        self.journal.clear();
    }

    /// The end of what a topic had from the time before all others were made anew.
    pub fn inherited(&self, place: Place) -> Offset {
        self.inherited.get(&place).copied().unwrap_or(0)
    }

    /// Begins a transaction of nobody in particular.
    pub fn begin(&mut self) -> TransactionId {
        self.transactions.push(Transaction {
            fate: Fate::Open,
            touched: BTreeSet::new(),
            written: Vec::new(),
            consumed: None,
        });
        self.transactions.len() - 1
    }

    /// Adds one record, in a transaction or for good.
    pub fn append(&mut self, place: Place, transaction: Option<TransactionId>, record: Written) -> Offset {
        let strand = self.strands.entry(place).or_default();
        let offset = strand.end();
        strand.slots.push(Slot::Record { record, transaction });
        if let Some(id) = transaction {
            strand.open.entry(id).or_insert(offset);
            self.transactions[id].touched.insert(place);
            self.transactions[id].written.push((place, strand.slots.len() - 1));
        }
        offset
    }

    /// Ends a transaction: a marker in every partition it touched, and its offsets with it.
    pub fn end(&mut self, id: TransactionId, fate: Fate) {
        let transaction = &mut self.transactions[id];
        if transaction.fate != Fate::Open {
            return;
        }
        transaction.fate = fate;
        for place in &transaction.touched {
            let strand = self.strands.entry(*place).or_default();
            strand.open.remove(&id);
            strand.slots.push(Slot::Marker);
        }
        if let Some((unit, handle, to)) = transaction.consumed {
            self.producers.entry(unit).or_default().open.remove(&id);
            if fate == Fate::Committed {
                self.move_offsets(unit, handle, to, id);
            }
        }
    }

    fn move_offsets(&mut self, unit: Unit, handle: HandleId, to: PerLane<Offset>, transaction: TransactionId) {
        self.committed.insert(unit, PerLane { commands: Some(to.commands), inbox: Some(to.inbox) });
        self.journal.push(Moment::Moved { unit, handle, to, transaction });
    }

    /// Whether the transaction is over, and how.
    pub fn fate(&self, id: TransactionId) -> Fate {
        self.transactions[id].fate
    }

    /// Where the partition's log begins, and the offset behind everything, whatever becomes of it.
    pub fn bounds(&self, place: Place) -> Range<Offset> {
        self.strands.get(&place).map_or(0..0, |strand| strand.start..strand.end())
    }

    /// The offset behind everything whose fate is known.
    pub fn stable_end(&self, place: Place) -> Offset {
        self.strands.get(&place).map_or(0, Strand::stable_end)
    }

    /// Committed records from `from` on, at most `limit`, and the position behind them.
    pub fn read(&self, place: Place, from: Offset, limit: usize) -> Chunk {
        let mut chunk = Chunk::empty(from);
        for (offset, record) in self.committed_records(place, from) {
            if chunk.len() == limit {
                return chunk;
            }
            chunk.push(offset, record.timestamp, |draft| {
                if let Some(key) = &record.key {
                    draft.key(key);
                }
                if let Some(value) = &record.value {
                    draft.value(value);
                }
                for (name, value) in &record.headers {
                    draft.header(name, value.as_deref());
                }
            });
        }
        chunk.next_offset = chunk.next_offset.max(self.stable_end(place));
        chunk
    }

    /// Every record below the stable end that its transaction committed, from `from` on.
    pub fn committed_records(&self, place: Place, from: Offset) -> impl Iterator<Item = (Offset, &Written)> {
        let strand = self.strands.get(&place);
        let (start, stable_end) = strand.map_or((0, 0), |strand| (strand.start, strand.stable_end()));
        let skipped = usize::try_from(from - start).unwrap_or(0);
        let slots = strand.map_or(&[][..], |strand| &strand.slots[..]);
        let numbered = (start..stable_end).zip(slots).skip(skipped);
        numbered.filter_map(|(offset, slot)| match slot {
            Slot::Record { record, transaction } => {
                transaction.is_none_or(|id| self.fate(id) == Fate::Committed).then_some((offset, record))
            }
            Slot::Marker => None,
        })
    }

    /// What a transaction wrote, whatever became of it.
    pub fn records_of(&self, id: TransactionId) -> impl Iterator<Item = (Place, &Written)> {
        self.transactions[id].written.iter().filter_map(|(place, slot)| match &self.strands.get(place)?.slots[*slot] {
            Slot::Record { record, .. } => Some((*place, record)),
            Slot::Marker => None,
        })
    }

    /// Begins the next epoch of a partition and aborts what those before it left open.
    pub fn fence(&mut self, unit: Unit) -> u64 {
        let producer = self.producers.entry(unit).or_default();
        producer.epoch += 1;
        let epoch = producer.epoch;
        self.abort_open(unit);
        epoch
    }

    /// The broker's own patience with a transaction is over.
    pub fn abort_open(&mut self, unit: Unit) {
        self.abort_those(unit, |_| true);
    }

    /// A handle abandons what it has begun.
    pub fn abandon(&mut self, unit: Unit, handle: HandleId) {
        self.abort_those(unit, |owner| owner == handle);
    }

    fn abort_those(&mut self, unit: Unit, such: impl Fn(HandleId) -> bool) {
        for (id, handle) in self.producers.entry(unit).or_default().open.clone() {
            if such(handle) {
                self.end(id, Fate::Aborted);
            }
        }
    }

    /// The epoch in force.
    pub fn epoch(&self, unit: Unit) -> u64 {
        self.producers.get(&unit).map_or(0, |producer| producer.epoch)
    }

    /// Begins a transaction of that partition.
    pub fn begin_of(&mut self, unit: Unit, handle: HandleId) -> TransactionId {
        let id = self.begin();
        self.producers.entry(unit).or_default().open.insert(id, handle);
        id
    }

    /// Makes offsets part of a transaction.
    pub fn consume(&mut self, id: TransactionId, unit: Unit, handle: HandleId, to: PerLane<Offset>) {
        self.transactions[id].consumed = Some((unit, handle, to));
    }

    /// Makes some of the records part of a transaction; answers where they lie.
    pub fn produce(&mut self, id: TransactionId, records: &Drafts, range: Range<usize>, now: Millis) -> Vec<Offset> {
        let written = range.map(|index| {
            let draft = records.get(index);
            self.append((draft.topic, draft.partition), Some(id), Written::of(draft, now))
        });
        written.collect()
    }

    /// Tells its events from those of any other.
    pub fn identity(&self, unit: Unit) -> String {
        format!("simulated/{}", unit.events().0.0)
    }

    /// True while the offsets of a partition wait for the fate of a transaction.
    pub fn offsets_pending(&self, unit: Unit) -> bool {
        let open = self.producers.get(&unit).map(|producer| &producer.open);
        open.is_some_and(|open| open.keys().any(|id| self.transactions[*id].consumed.is_some()))
    }

    /// The committed offsets of a partition.
    pub fn committed(&self, unit: Unit) -> PerLane<Option<Offset>> {
        self.committed.get(&unit).copied().unwrap_or_default()
    }

    /// Notes who is the owner from now on.
    pub fn take_over(&mut self, unit: Unit, handle: HandleId) {
        self.journal.push(Moment::TakenOver { unit, handle });
    }

    /// What a new owner is told.
    pub fn inputs(&self, unit: Unit) -> PerLane<Input> {
        let committed = self.committed(unit);
        PerLane::from_fn(|lane| {
            let Range { start, end } = self.bounds(unit.lane(lane));
            Input { committed: *committed.of(lane), start, end }
        })
    }

    /// Changes one committed offset behind everybody's back.
    pub fn tamper(&mut self, unit: Unit, lane: Lane, offset: Option<Offset>) {
        let before = self.committed(unit);
        let mut after = before;
        *after.of_mut(lane) = offset;
        self.committed.insert(unit, after);
        self.journal.push(Moment::Tampered { unit, before });
    }

    /// What happened to committed offsets.
    pub fn journal(&self) -> &[Moment] {
        &self.journal
    }
}
