//! The snapshots of one partition beside its log.
//!
//! Two passes, so that no value has to be kept: first every value is decoded and its version noted, then the events
//! are folded, and each account is compared when it stands at the version that was noted. Only the ids, and the
//! aggregates that are not there yet, are in memory.

use std::collections::HashMap;

use super::appointments::{Appointments, Side};
use super::brief::Brief;
use super::verdict::{Difference, Verdict};
use super::{PAGE, conditions, position};
use crate::cli::Failure;
use crate::cli::reach::{Within, in_time};
use crate::domain::ids::{AggregateId, Version};
use crate::log::{Client, Lane, Offset, Record, Topic};
use crate::partition::{Outlook, Settings};
use crate::snapshots::{BATCH, Key, Shelf};
use crate::wire;
use crate::wire::Source;
use crate::wire::snapshot::{Error, LastEvent, Position, Sources, Value, decode_value, encode_value};

/// What is still to be seen of an aggregate.
enum Aim {
    /// To stand at this version, as the snapshot does.
    At(Version),
    /// Nothing: it was compared at this version.
    Reached(Version),
    /// Nothing: something was found, and one thing each is enough.
    Told,
}

/// The audit of one partition.
pub struct Audit<'a, A> {
    shelf: &'a dyn Shelf,
    events: Topic,
    partition: u32,
    settings: &'a Settings,
    verdict: &'a mut Verdict,
    position: Option<Position>,
    /// What it says is to come.
    appointments: Option<Appointments>,
    aims: HashMap<AggregateId, Aim>,
    folding: HashMap<AggregateId, Value<A>>,
    /// What snapshots should be, to be compared.
    expected: Vec<(AggregateId, Vec<u8>)>,
    /// Of the events that the position speaks of.
    below: Below,
}

#[derive(Default)]
struct Below {
    aggregates: u64,
    sources: Sources,
    /// The event that the position remembers, as it is.
    remembered: Option<LastEvent>,
}

impl<'a, A: Brief> Audit<'a, A> {
    /// Reads what the shelf says, and tells what cannot be read.
    pub async fn begin(
        shelf: &'a dyn Shelf,
        partition: u32,
        settings: &'a Settings,
        verdict: &'a mut Verdict,
    ) -> Result<Self, Failure> {
        let mut audit = Audit {
            shelf,
            events: settings.spec.events,
            partition,
            settings,
            verdict,
            position: None,
            appointments: None,
            aims: HashMap::new(),
            folding: HashMap::new(),
            expected: Vec::new(),
            below: Below::default(),
        };
        let position = position::<A>(shelf).await?;
        let is_trusted = position.is_some();
        match position {
            Some(Ok(position)) if position.conditions != conditions(settings) => {
                let (found, present) = (position.conditions, conditions(settings));
                audit.unreadable(None, &Error::Outdated { found, present });
            }
            Some(Ok(position)) => audit.position = Some(position),
            Some(Err(error)) => audit.unreadable(None, &error),
            None => {}
        }
        let mut last: Option<Key> = None;
        loop {
            let page = shelf.page(last, PAGE).await?;
            for (key, value) in &page {
                if is_trusted {
                    audit.note(key, value);
                } else {
                    audit.verdict.untrusted += 1;
                }
            }
            let Some((key, _)) = page.into_iter().next_back() else { return Ok(audit) };
            last = Some(key);
        }
    }

    fn note(&mut self, key: &[u8], value: &[u8]) {
        self.verdict.checked += 1;
        let text = String::from_utf8_lossy(key);
        let Ok(id) = AggregateId::parse(&text) else {
            return self.differ("damaged", Some(&text), "the id of an aggregate", text.to_string());
        };
        match decode_value::<A>(&id, value, conditions(self.settings)) {
            Ok(Value { state, .. }) => {
                self.aims.insert(id, Aim::At(state.version()));
            }
            Err(error) => {
                self.unreadable(Some(id.as_str()), &error);
                self.aims.insert(id, Aim::Told);
            }
        }
    }

    /// Folds the log and compares.
    pub async fn run(mut self, client: &dyn Client, within: &Within) -> Result<(), Failure> {
        if self.aims.is_empty() && self.position.is_none() {
            return Ok(());
        }
        let bounds = in_time(within, client.bounds(self.events, self.partition)).await?;
        if let Some(Position { covered, .. }) = self.position
            && !(bounds.start..=bounds.end).contains(&covered)
        {
            let expected = format!("an offset from {} to {}", bounds.start, bounds.end);
            self.differ("position", None, &expected, format!("covered offset {covered}"));
            self.position = None;
        }
        self.appointments = self.position.as_ref().map(Appointments::of);
        let unborn: Vec<AggregateId> = self
            .aims
            .iter()
            .filter(|(_, aim)| matches!(aim, Aim::At(Version::NONE)))
            .map(|(id, _)| id.clone())
            .collect();
        for id in unborn {
            let blank = blank::<A>(self.settings);
            self.reached(&id, &blank).await?;
        }
        let mut chunks = client.read(self.events, self.partition, bounds);
        while let Some(chunk) = in_time(within, async { Ok::<_, Failure>(chunks.recv().await) }).await? {
            for record in chunk?.iter() {
                self.take(record).await?;
            }
        }
        self.compare().await?;
        self.finish();
        Ok(())
    }

    async fn take(&mut self, record: Record<'_>) -> Result<(), Failure> {
        let offset = record.offset;
        let broken = |reason: String| {
            let place = format!("event at offset {offset} of partition {}", self.partition);
            Failure::failed("UNREADABLE_EVENT", format!("{place} cannot be applied: {reason}"))
        };
        let event =
            wire::event::decode::<A>(record.value, record.headers.iter()).map_err(|error| broken(error.to_string()))?;
        let id = event.aggregate_id;
        let lane = event.source.as_ref().and_then(|source| self.lane_of(source));
        let is_below = self.position.as_ref().is_some_and(|position| offset < position.covered);
        if is_below {
            self.below.aggregates += u64::from(event.recorded.version == Version(1));
            rise(&mut self.below.sources, lane);
            let is_remembered = |last: LastEvent| last.offset == offset;
            if self.position.as_ref().and_then(|position| position.last_event).is_some_and(is_remembered) {
                self.below.remembered = Some(LastEvent::of(offset, record.key, record.value));
            }
        }
        match self.aims.get(&id) {
            Some(Aim::At(version)) => {
                let version = *version;
                let settings = self.settings;
                let value = self.folding.entry(id.clone()).or_insert_with(|| blank(settings));
                value.state.apply(&event.recorded).map_err(|unfit| broken(unfit.to_string()))?;
                rise(&mut value.sources, lane);
                if let Some(appointments) = &mut self.appointments {
                    let side = if is_below { Side::Below } else { Side::Behind };
                    appointments.note(&id, Outlook::of(&value.state), side);
                }
                if value.state.version() == version
                    && let Some(value) = self.folding.remove(&id)
                {
                    self.reached(&id, &value).await?;
                }
            }
            Some(Aim::Reached(version)) if is_below => {
                let (expected, found) = (format!("version {} or more", event.recorded.version), *version);
                self.differ("behind", Some(id.as_str()), &expected, format!("version {found}"));
                self.aims.insert(id, Aim::Told);
            }
            None if is_below => {
                let expected = format!("version {} or more", event.recorded.version);
                self.differ("missing", Some(id.as_str()), &expected, "no snapshot".to_owned());
                self.aims.insert(id, Aim::Told);
            }
            Some(Aim::Reached(_) | Aim::Told) | None => {}
        }
        Ok(())
    }

    /// The aggregate stands where its snapshot does.
    async fn reached(&mut self, id: &AggregateId, value: &Value<A>) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        encode_value(&mut bytes, id, &value.state, value.sources, conditions(self.settings));
        self.aims.insert(id.clone(), Aim::Reached(value.state.version()));
        self.expected.push((id.clone(), bytes));
        if self.expected.len() >= BATCH { self.compare().await } else { Ok(()) }
    }

    async fn compare(&mut self) -> Result<(), Failure> {
        let expected = std::mem::take(&mut self.expected);
        let keys = expected.iter().map(|(id, _)| Key::from(id.as_str().as_bytes())).collect();
        let found = self.shelf.load(keys).await?;
        for ((id, expected), found) in expected.into_iter().zip(found) {
            let found = found.unwrap_or_default();
            if found != expected {
                let (expected, found) = (self.told(&id, &expected), self.told(&id, &found));
                self.differ("different", Some(id.as_str()), &expected, found);
                self.aims.insert(id, Aim::Told);
            }
        }
        Ok(())
    }

    /// What the log never came to, and what the position says of it.
    fn finish(&mut self) {
        let mut ahead: Vec<(AggregateId, Version)> = Vec::new();
        for (id, aim) in &self.aims {
            if let Aim::At(version) = aim {
                ahead.push((id.clone(), *version));
            }
        }
        ahead.sort_unstable();
        for (id, version) in ahead {
            let standing = self.folding.get(&id).map_or(Version::NONE, |value| value.state.version());
            self.differ(
                "ahead",
                Some(id.as_str()),
                &format!("at most version {standing}"),
                format!("version {version}"),
            );
        }
        let Some(position) = self.position.take() else { return };
        let Below { aggregates, sources, remembered } = std::mem::take(&mut self.below);
        if position.aggregates != aggregates {
            let found = format!("{} {}s", position.aggregates, A::AGGREGATE);
            self.differ("position", None, &format!("{aggregates} {}s", A::AGGREGATE), found);
        }
        if position.sources.commands < sources.commands || position.sources.inbox < sources.inbox {
            self.differ("position", None, &told_sources(sources), told_sources(position.sources));
        }
        if position.last_event != remembered {
            self.differ("position", None, &told_event(remembered), told_event(position.last_event));
        }
        let appointments = self.appointments.take().map(Appointments::differences);
        for (id, expected, found) in appointments.into_iter().flatten() {
            let is_told = AggregateId::parse(&id).is_ok_and(|id| matches!(self.aims.get(&id), Some(Aim::Told)));
            if !is_told {
                self.differ("agenda", Some(&id), &expected, found);
            }
        }
    }

    fn lane_of(&self, source: &Source<'_>) -> Option<(Lane, Offset)> {
        let is_it = |lane: &Lane| self.settings.topic_name(*lane) == source.topic && source.partition == self.partition;
        Some((Lane::ALL.into_iter().find(is_it)?, source.offset))
    }

    /// A snapshot in short.
    fn told(&self, id: &AggregateId, bytes: &[u8]) -> String {
        let Ok(Value { state, sources }) = decode_value::<A>(id, bytes, conditions(self.settings)) else {
            return format!("{} bytes that are no snapshot", bytes.len());
        };
        format!("version {}: {}, {}", state.version(), state.in_short(), told_sources(sources))
    }

    fn unreadable(&mut self, id: Option<&str>, error: &Error) {
        let kind = match error {
            Error::Newer { .. } => "newer",
            Error::Older { .. } => "older",
            Error::Outdated { .. } => "outdated",
            Error::Damaged(_) => "damaged",
        };
        self.differ(kind, id, "a snapshot that can be used", error.to_string());
    }

    fn differ(&mut self, kind: &'static str, id: Option<&str>, expected: &str, found: String) {
        self.verdict.differ(Difference {
            kind,
            aggregate: A::AGGREGATE.to_owned(),
            partition: self.partition,
            id: id.map(str::to_owned),
            expected: expected.to_owned(),
            found,
        });
    }
}

fn blank<A: Brief>(settings: &Settings) -> Value<A> {
    Value { state: A::blank(&settings.rules), sources: Sources::default() }
}

fn told_sources(Sources { commands, inbox }: Sources) -> String {
    let told = |offset: Option<Offset>| offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string());
    format!("caused by commands up to {} and inbox up to {}", told(commands), told(inbox))
}

fn told_event(event: Option<LastEvent>) -> String {
    event.map_or_else(
        || "no such event".to_owned(),
        |LastEvent { offset, crc32 }| format!("the event at offset {offset} with checksum {crc32:08x}"),
    )
}

/// Notes a source, if it is the highest of its lane.
fn rise(sources: &mut Sources, source: Option<(Lane, Offset)>) {
    if let Some((lane, offset)) = source {
        let highest = match lane {
            Lane::Commands => &mut sources.commands,
            Lane::Inbox => &mut sources.inbox,
        };
        *highest = (*highest).max(Some(offset));
    }
}
