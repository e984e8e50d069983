//! One round: records are read, grouped by aggregate, handed out, and their answers collected.

use std::ops::Range;
use std::sync::Arc;

use tokio::time::Instant;

use super::aggregate_actor::{Die, Process};
use super::attendance::Attendance;
use super::clerk::{Arrival, Clerk};
use super::desk::{Outcome, Place, Round, Task, Turn};
use super::lifecycle::End;
use super::mailbox::Kill;
use super::reading::{Read, Reader};
use super::routes::{Epoch, Residence};
use super::stock::Portion;
use super::supervisor::Supervisor;
use crate::wire::message::Mail;

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

impl<A: Mail> Supervisor<A> {
    /// Reads the records of a round and groups those that actors have to answer; answers also the places of those that
    /// are not known here yet.
    pub(super) fn lay_out(&mut self, portions: Vec<Portion>) -> Result<(Vec<Group>, Vec<u32>), End> {
        let desk = self.desk.clone();
        let round = &mut *desk.round.borrow_mut();
        round.now = (self.settings.clock)();
        round.portions = portions;
        round.tasks = self.take_overdue();
        // Place and task packed into one number: sorting numbers groups the tasks and keeps their order.
        let mut places: Vec<(u32, u32)> = Vec::new();
        let mut unknown = Vec::new();
        self.read_all(&desk.clerk, round)?;
        for (number, task) in round.tasks.iter().enumerate() {
            let Some(asked) = &task.asked else { continue };
            let place = self.routes.find(asked.whom()).unwrap_or_else(|| {
                let place = self.routes.settle(asked.whom(), Residence::Unknown);
                unknown.push(place);
                place
            });
            places.push((place, number as u32));
        }
        places.sort_unstable();
        if self.keeping.is_some() {
            let now = Instant::now();
            for group in places.chunk_by(|(a, _), (b, _)| a == b) {
                self.routes.ask(group[0].0, now);
            }
        }
        round.order.extend(places.iter().map(|(_, task)| *task));
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

    /// Makes a task of every record.
    fn read_all(&self, clerk: &Clerk, round: &mut Round<A>) -> Result<(), End> {
        let (settings, suspicion) = (&self.settings, &self.suspicion);
        let reader = Reader { clerk, settings, suspicion, home: self.log.number() };
        let Round { portions, tasks, drafts, .. } = round;
        for (portion, records) in portions.iter().enumerate() {
            for (index, record) in records.records().enumerate() {
                let first = drafts.len();
                let place = Some(Place { portion: portion as u32, index: index as u32 });
                let Read { sent_at, asks } = reader.read::<A>(drafts, Arrival { lane: records.lane, record })?;
                let (asked, outcome) = match asks {
                    Ok(asked) => (Some(asked), None),
                    Err(verdict) => (None, Some(Outcome { drafts: first..drafts.len(), verdict, sent_at })),
                };
                tasks.push(Task { place, sent_at, asked, outcome });
            }
        }
        Ok(())
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
        for Turn { id, from, to } in round.turns.drain(..) {
            self.admission.turned(from, to);
            self.batch.turn(id, to);
        }
        self.batch.settle(round.close(), added);
        if let Some(keeping) = &mut self.keeping {
            keeping.may_passivate = true;
        }
    }
}
