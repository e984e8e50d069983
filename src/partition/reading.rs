//! Reads one record after the other: what it asks an aggregate, or what becomes of it without asking anybody.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Settings;
use super::clerk::{Arrival, Clerk, Trigger};
use super::desk::{Asked, Verdict};
use super::lifecycle::{End, Halt};
use super::placement::partition_of;
use super::poison::Suspicion;
use crate::domain::message::Delivery;
use crate::log::{Drafts, HeaderIter, Lane, Millis};
use crate::wire::message::{self, Inbox, Mail, SentHome};
use crate::wire::{self, Reason};

/// Reads for one partition.
pub struct Reader<'a> {
    /// Writes down what becomes of a record.
    pub clerk: &'a Clerk,
    /// How the partition is run.
    pub settings: &'a Settings,
    /// Which record is not to be decided.
    pub suspicion: &'a Suspicion,
    /// The partition's number.
    pub home: u32,
}

/// What was read.
pub struct Read<A: Mail> {
    /// When upstream sent the record, also when it came by the inbox.
    pub sent_at: Millis,
    /// What it asks, or how it is counted when nobody is to be asked.
    pub asks: Result<Asked<A>, Verdict>,
}

/// What ended its partition so often that it is not tried again.
const CONVICTED: &str = "it ended its partition again and again";

impl Reader<'_> {
    /// Reads a record.
    ///
    /// # Errors
    /// A message that this engine cannot read, or not do without: never dropped, never guessed.
    pub fn read<A: Mail>(&self, drafts: &mut Drafts, arrival: Arrival<'_>) -> Result<Read<A>, End> {
        match self.open::<A>(arrival)? {
            Inbox::Command(written) => {
                Ok(Read { sent_at: written.sent_at, asks: self.command(drafts, arrival, written) })
            }
            Inbox::Message(delivery) => {
                let sent_at = arrival.record.timestamp;
                Ok(Read { sent_at, asks: self.message::<A>(drafts, arrival, delivery)? })
            }
        }
    }

    fn is_convicted(&self, arrival: Arrival<'_>) -> bool {
        self.suspicion.convicts(arrival.lane, arrival.record.offset)
    }

    fn open<'a, A: Mail>(&'a self, arrival: Arrival<'a>) -> Result<Inbox<'a, A::Message, HeaderIter<'a>>, End> {
        let Arrival { lane, record } = arrival;
        let open = || match lane {
            Lane::Commands => self.clerk.written(arrival).map(Inbox::Command),
            Lane::Inbox => message::decode::<A, _>(record.value, record.headers.iter()),
        };
        let opened = if self.is_convicted(arrival) {
            // That may be what breaks.
            catch_unwind(AssertUnwindSafe(open)).map_err(|_| unreadable(arrival, CONVICTED.to_owned()))?
        } else {
            open()
        };
        opened.map_err(|error| unreadable(arrival, error.to_string()))
    }

    fn command<'a, A: Mail>(
        &self,
        drafts: &mut Drafts,
        arrival: Arrival<'a>,
        written: SentHome<'a, HeaderIter<'a>>,
    ) -> Result<Asked<A>, Verdict> {
        let mut put_aside = |reason, error: &str| {
            self.clerk.dead_letter(drafts, written.clone(), reason, error);
            Verdict::DeadLettered(reason)
        };
        if self.is_convicted(arrival) {
            return Err(put_aside(Reason::Panic, CONVICTED));
        }
        let request = wire::command::decode::<A>(arrival.record.value, self.settings.message_bytes)
            .map_err(|unreadable| put_aside(unreadable.reason, &unreadable.error))?;
        let home = partition_of(request.aggregate_id.as_str(), self.settings.partitions);
        if home != self.home {
            self.clerk.send_home(drafts, written, &request, home);
            return Err(Verdict::SentHome);
        }
        Ok(Asked::Command(request))
    }

    fn message<A: Mail>(
        &self,
        drafts: &mut Drafts,
        arrival: Arrival<'_>,
        delivery: Delivery<A::Message>,
    ) -> Result<Result<Asked<A>, Verdict>, End> {
        let home = partition_of(delivery.to.as_str(), self.settings.partitions);
        if home != self.home {
            let reason = format!("it is for {}, who lives in partition {home}", delivery.to);
            return Err(unreadable(arrival, reason));
        }
        if !self.is_convicted(arrival) {
            return Ok(Ok(Asked::Message(delivery)));
        }
        let Some(letter) = A::unavailable(&delivery) else {
            let message = Some(self.clerk.source((arrival.lane, arrival.record.offset)).to_string());
            let (aggregate, reason) = (delivery.to.to_string(), CONVICTED.to_owned());
            return Err(End::Halted(Halt::Stuck { message, aggregate, reason }));
        };
        tracing::error!(aggregate = %delivery.to, reason = CONVICTED, "a leg cannot be decided and is refused");
        self.clerk.letter(drafts, Trigger::of(arrival).trace, &letter);
        Ok(Err(Verdict::Internal))
    }
}

fn unreadable(Arrival { lane, record }: Arrival<'_>, reason: String) -> End {
    End::Halted(Halt::Message { lane, offset: record.offset, reason })
}
