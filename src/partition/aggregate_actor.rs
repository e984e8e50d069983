//! The mailbox around one aggregate. Its handler is synchronous: nothing interleaves with a decision.

use std::ops::Range;
use std::rc::Rc;

use actix::{Actor, ActorContext, Context, Handler, Message};

use super::agenda::Outlook;
use super::answering::Answering;
use super::attendance::Ticket;
use super::clerk::Trigger;
use super::desk::{Desk, Outcome, Round, Turn};
use super::held::Held;
use super::images;
use super::lifecycle::Halt;
use crate::domain::ids::{AggregateId, Version};
use crate::wire::message::Mail;

/// One aggregate in memory.
///
/// It holds what is decided, which may be one commit ahead of the log; when that commit fails, all of the
/// partition is dropped.
pub struct AggregateActor<A: Mail> {
    id: AggregateId,
    /// Its place in the routing table.
    place: u32,
    held: Held<A>,
    desk: Rc<Desk<A>>,
}

impl<A: Mail> AggregateActor<A> {
    /// An aggregate as the log has it.
    pub fn new(id: AggregateId, place: u32, held: Held<A>, desk: Rc<Desk<A>>) -> Self {
        AggregateActor { id, place, held, desk }
    }

    /// What it holds.
    pub(super) fn state(&self) -> &A {
        &self.held.state
    }
}

impl<A: Mail> Actor for AggregateActor<A> {
    type Context = Context<Self>;
}

/// Answer these tasks of the round in progress.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Process {
    /// Which of the round's order.
    pub tasks: Range<usize>,
    /// Handed in when all are answered.
    pub ticket: Ticket,
}

impl<A: Mail> Handler<Process> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, Process { tasks, ticket }: Process, _: &mut Context<Self>) {
        let desk = self.desk.clone();
        let round = &mut *desk.round.borrow_mut();
        let (before, from) = (self.held.state.version(), Outlook::of(&self.held.state));
        for place in tasks {
            let task = round.order[place] as usize;
            self.answer(&desk, round, task);
        }
        if self.held.state.version() != before {
            round.changed.push(self.place);
            round.added.aggregates += u64::from(before == Version::NONE);
            let to = Outlook::of(&self.held.state);
            if to != from {
                round.turns.push(Turn { id: self.id.clone(), from, to });
            }
        }
        ticket.hand_in();
    }
}

/// Write down what you are, as it is now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Serialise {
    /// Handed in when it is written.
    pub ticket: Ticket,
}

impl<A: Mail> Handler<Serialise> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, Serialise { ticket }: Serialise, _: &mut Context<Self>) {
        let image = images::write(&self.id, &self.held, self.desk.conditions);
        self.desk.images.borrow_mut().push((self.place, image));
        ticket.hand_in();
    }
}

/// End at once, whatever waits in the mailbox: what chaos does to actors.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Die;

impl<A: Mail> Handler<Die> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, _: Die, context: &mut Context<Self>) {
        context.terminate();
    }
}

impl<A: Mail> AggregateActor<A> {
    fn answer(&mut self, desk: &Desk<A>, round: &mut Round<A>, task: usize) {
        let Round { portions, tasks, drafts, now, added, stuck, .. } = round;
        let task = &mut tasks[task];
        let Some(asked) = &task.asked else { return };
        let arrival = task.place.map(|place| place.find(portions));
        let trigger = arrival.map(Trigger::of).unwrap_or_default();
        let first = drafts.len();
        let mut answering =
            Answering { id: &self.id, held: &mut self.held, desk, drafts, added, arrival, trigger, now: *now };
        match answering.answer(asked) {
            Ok(verdict) => {
                task.outcome = Some(Outcome { drafts: first..drafts.len(), verdict, sent_at: task.sent_at });
            }
            Err(reason) => {
                let message = trigger.source.map(|source| desk.clerk.source(source).to_string());
                stuck.get_or_insert(Halt::Stuck { message, aggregate: self.id.to_string(), reason });
            }
        }
    }
}
