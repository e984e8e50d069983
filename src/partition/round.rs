//! One round: records are read, grouped by aggregate, handed out, and their answers collected.

use std::ops::Range;
use std::sync::Arc;

use super::Settings;
use super::aggregate_actor::{Die, Process};
use super::attendance::Attendance;
use super::clerk::{Clerk, Entry};
use super::desk::{Outcome, Round, Task, Verdict};
use super::lifecycle::{End, Halt};
use super::mailbox::Kill;
use super::placement::partition_of;
use super::poison::Suspicion;
use super::routes::{Epoch, Residence};
use super::stock::Portion;
use super::supervisor::Supervisor;
use crate::log::Millis;
use crate::wire::{self, Reason, Request, Wire, message};
use tokio::time::Instant;

/// Most records of one round: small enough that other partitions on the same thread are not kept waiting.
pub const ROUND_RECORDS: usize = 1_024;

/// The tasks of one aggregate in a round.
#[derive(Clone, Debug)]
pub struct Group {
    /// The place of the aggregate in the routing table.
    pub place: u32,
    /// Which of the round's order.
    tasks: Range<usize>,
}

impl<A: Wire> Supervisor<A> {
    /// Reads the records of a round and groups those that actors have to answer; answers also the places of those that
    /// are not known here yet.
    pub(super) fn lay_out(&mut self, portions: Vec<Portion>) -> Result<(Vec<Group>, Vec<u32>), End> {
        let round = &mut *self.desk.round.borrow_mut();
        let reader = Reader {
            clerk: &self.desk.clerk,
            settings: &self.settings,
            suspicion: &self.suspicion,
            home: self.log.number(),
        };
        round.now = (self.settings.clock)();
        round.portions = portions;
        let Round { portions, tasks, drafts, order, .. } = round;
        // Place and task packed into one number: sorting numbers groups the tasks and keeps their order.
        let mut places: Vec<(u32, u32)> = Vec::new();
        let mut unknown = Vec::new();
        for (portion_index, portion) in portions.iter().enumerate() {
            for (index, record) in portion.records().enumerate() {
                let first = drafts.len();
                let mut entry = Entry { drafts, lane: portion.lane, record };
                let sent_at = reader.sent_at(&entry)?;
                let (portion, index) = (portion_index as u32, index as u32);
                let mut task = Task { portion, index, sent_at, request: None, outcome: None };
                match reader.read::<A>(&mut entry)? {
                    Ok(request) => {
                        let id = &request.aggregate_id;
                        let place = self.routes.find(id).unwrap_or_else(|| {
                            let place = self.routes.settle(id, Residence::Unknown);
                            unknown.push(place);
                            place
                        });
                        places.push((place, tasks.len() as u32));
                        task.request = Some(request);
                    }
                    Err(verdict) => {
                        let drafts = first..drafts.len();
                        task.outcome = Some(Outcome { drafts, verdict, sent_at: task.sent_at });
                    }
                }
                tasks.push(task);
            }
        }
        places.sort_unstable();
        if self.keeping.is_some() {
            let now = Instant::now();
            for group in places.chunk_by(|(a, _), (b, _)| a == b) {
                self.routes.ask(group[0].0, now);
            }
        }
        order.extend(places.iter().map(|(_, task)| *task));
        let mut start = 0;
        let groups: Vec<Group> = places
            .chunk_by(|(a, _), (b, _)| a == b)
            .map(|group| {
                let tasks = start..start + group.len();
                start = tasks.end;
                Group { place: group[0].0, tasks }
            })
            .collect();
        Ok((groups, unknown))
    }

    /// Gives each actor its tasks. Who is dead is noticed by its ticket.
    pub(super) fn hand_out(&mut self, groups: &[Group], attendance: &Arc<Attendance>) {
        let victims = self.victims(groups);
        for (number, group) in groups.iter().enumerate() {
            let ticket = attendance.ticket(number);
            let Some(actor) = self.routes.actor(group.place, &self.desk) else { continue };
            let dies =
                |before: bool| victims.iter().any(|(victim, kill)| *victim == number && kill.dies_before() == before);
            // A closed mailbox drops the message, and with it the ticket; full it cannot be.
            if dies(true) {
                actor.try_send(Die).ok();
            }
            actor.try_send(Process { tasks: group.tasks.clone(), ticket }).ok();
            if dies(false) {
                actor.try_send(Die).ok();
            }
        }
        for (victim, kill) in victims {
            if let Some(id) = self.routes.name(groups[victim].place) {
                kill.killed.send(id.clone()).ok();
            }
        }
    }

    /// Who is to die in this round. The lots pick among the actors in the order of their first commands, which is
    /// the same whenever this round comes.
    fn victims(&mut self, groups: &[Group]) -> Vec<(usize, Kill)> {
        if groups.is_empty() || self.condemned.is_empty() {
            return Vec::new();
        }
        let order = &self.desk.round.borrow().order;
        let mut numbers: Vec<usize> = (0..groups.len()).collect();
        numbers.sort_unstable_by_key(|number| order[groups[*number].tasks.start]);
        let condemned = self.condemned.drain(..).filter(|kill| !kill.killed.is_closed());
        condemned.map(|kill| (numbers[(kill.lot / 2) as usize % numbers.len()], kill)).collect()
    }

    /// The aggregate changes in that epoch, and is to be saved some time.
    pub(super) fn changed(&mut self, place: u32, epoch: Epoch) {
        if self.routes.change(place, epoch)
            && let Some(keeping) = &mut self.keeping
        {
            keeping.checkpoints.changed.push(place);
        }
    }

    /// Clears the desk; forgets who was asked for the first time and does not exist.
    pub(super) fn close_round(&mut self) {
        let desk = self.desk.clone();
        let round = &mut *desk.round.borrow_mut();
        let number = self.epoch;
        for place in std::mem::take(&mut round.changed) {
            self.changed(place, number);
        }
        for place in self.newcomers.drain(..) {
            if !self.routes.has_changed(place) {
                self.routes.vacate(place);
            }
        }
        let added = std::mem::take(&mut round.added);
        self.batch.settle(round.close(), added);
        if let Some(keeping) = &mut self.keeping {
            keeping.may_passivate = true;
        }
    }
}

/// Reads one record after the other: what it asks for, or what becomes of it without asking anybody.
struct Reader<'a> {
    clerk: &'a Clerk,
    settings: &'a Settings,
    suspicion: &'a Suspicion,
    home: u32,
}

/// A message that this engine cannot read: never dropped, never guessed.
fn unreadable(entry: &Entry<'_>, error: &message::Error) -> End {
    End::Halted(Halt::Message { lane: entry.lane, offset: entry.record.offset, reason: error.to_string() })
}

impl Reader<'_> {
    /// When upstream sent the record, also when it came by the inbox.
    fn sent_at(&self, entry: &Entry<'_>) -> Result<Millis, End> {
        self.clerk.origin(entry).map(|origin| origin.sent_at).map_err(|error| unreadable(entry, &error))
    }

    fn read<A: Wire>(&self, entry: &mut Entry<'_>) -> Result<Result<Request<A::Command>, Verdict>, End> {
        let record = entry.record;
        if self.suspicion.convicts(entry.lane, record.offset) {
            let error = "it ended its partition again and again";
            self.clerk.dead_letter(entry, Reason::Panic, error);
            return Ok(Err(Verdict::DeadLettered(Reason::Panic)));
        }
        let request = match wire::command::decode::<A>(record.value, self.settings.message_bytes) {
            Ok(request) => request,
            Err(unreadable) => {
                self.clerk.dead_letter(entry, unreadable.reason, &unreadable.error);
                return Ok(Err(Verdict::DeadLettered(unreadable.reason)));
            }
        };
        let home = partition_of(request.aggregate_id.as_str(), self.settings.partitions);
        if home != self.home {
            self.clerk.send_home(entry, &request, home).map_err(|error| unreadable(entry, &error))?;
            return Ok(Err(Verdict::SentHome));
        }
        Ok(Ok(request))
    }
}
