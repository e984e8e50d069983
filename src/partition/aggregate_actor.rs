//! The mailbox around one aggregate. Its handler is synchronous: nothing interleaves with a decision.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use actix::{Actor, ActorContext, Context, Handler, Message};

use super::attendance::Ticket;
use super::clerk::Entry;
use super::desk::{Desk, Outcome, Round, Verdict};
use super::held::{self, Held};
use super::images;
use crate::domain::ids::{AggregateId, Timestamp, Version};
use crate::domain::{Command, Decision, Recorded, Rejection};
use crate::wire::{Outcome as Answer, Reason, Request, Wire};

/// One aggregate in memory.
///
/// It holds what is decided, which may be one commit ahead of the log; when that commit fails, all of the
/// partition is dropped.
pub struct AggregateActor<A: Wire> {
    id: AggregateId,
    /// Its place in the routing table.
    place: u32,
    held: Held<A>,
    desk: Rc<Desk<A>>,
}

impl<A: Wire> AggregateActor<A> {
    /// An aggregate as the log has it.
    pub fn new(id: AggregateId, place: u32, held: Held<A>, desk: Rc<Desk<A>>) -> Self {
        AggregateActor { id, place, held, desk }
    }

    /// What it holds.
    pub(super) fn state(&self) -> &A {
        &self.held.state
    }
}

impl<A: Wire> Actor for AggregateActor<A> {
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

impl<A: Wire> Handler<Process> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, Process { tasks, ticket }: Process, _: &mut Context<Self>) {
        let desk = self.desk.clone();
        let round = &mut *desk.round.borrow_mut();
        let before = self.held.state.version();
        for place in tasks {
            let task = round.order[place] as usize;
            self.answer(&desk, round, task);
        }
        if self.held.state.version() != before {
            round.changed.push(self.place);
            round.added.aggregates += u64::from(before == Version::NONE);
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

impl<A: Wire> Handler<Serialise> for AggregateActor<A> {
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

impl<A: Wire> Handler<Die> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, _: Die, context: &mut Context<Self>) {
        context.terminate();
    }
}

impl<A: Wire> AggregateActor<A> {
    fn answer(&mut self, desk: &Desk<A>, round: &mut Round<A>, task: usize) {
        let Round { portions, tasks, drafts, now, added, .. } = round;
        let task = &mut tasks[task];
        let Some(request) = &task.request else { return };
        let portion = &portions[task.portion as usize];
        let record = portion.record(task.index as usize);
        let first = drafts.len();
        let mut entry = Entry { drafts, lane: portion.lane, record };
        let verdict = self.decide(desk, &mut entry, request, *now);
        if verdict == Verdict::Accepted {
            let source = Some((portion.lane, record.offset));
            held::note(&mut self.held.sources, source);
            held::note(&mut added.sources, source);
            added.accepted += 1;
        }
        task.outcome = Some(Outcome { drafts: first..drafts.len(), verdict, sent_at: task.sent_at });
    }

    fn decide(
        &mut self,
        desk: &Desk<A>,
        entry: &mut Entry<'_>,
        request: &Request<A::Command>,
        now: Timestamp,
    ) -> Verdict {
        let Desk { rules, clerk, .. } = desk;
        // A decision changes nothing, so a panic in it leaves the state as it was.
        let decision = catch_unwind(AssertUnwindSafe(|| self.held.state.decide(&request.command, rules, now)));
        let answer = match decision {
            Ok(Decision::Accepted(events)) => self.record(desk, entry, request, events, now).map(|()| None),
            Ok(Decision::Duplicate(version)) => Ok(Some(version)),
            Ok(Decision::Rejected(rejection)) => Err(rejection),
            Err(panic) => {
                clerk.dead_letter(entry, Reason::Panic, &panic_text(panic.as_ref()));
                return Verdict::DeadLettered(Reason::Panic);
            }
        };
        let standing = self.held.state.version();
        let (verdict, outcome, version) = match &answer {
            Ok(None) => (Verdict::Accepted, Answer::Accepted, standing),
            Ok(Some(then)) => (Verdict::Duplicate, Answer::Duplicate, *then),
            Err(rejection) => (Verdict::Rejected, Answer::Rejected(rejection), standing),
        };
        clerk.reply(entry, request, outcome, version);
        verdict
    }

    /// Writes down what was decided and takes it; nothing of it when one event would not fit its topic.
    fn record(
        &mut self,
        desk: &Desk<A>,
        entry: &mut Entry<'_>,
        request: &Request<A::Command>,
        events: Vec<A::Event>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let Command { id, hash, .. } = &request.command;
        let before = entry.drafts.len();
        let at = now.max(self.held.state.last_at());
        let mut version = self.held.state.version();
        let mut recorded = Vec::with_capacity(events.len());
        for body in events {
            version = version.next();
            let correlation_id = request.correlation_id.clone();
            let event = Recorded { version, at, command_id: id.clone(), command_hash: *hash, correlation_id, body };
            let bytes = desk.clerk.event::<A>(entry, request, &event);
            if bytes > desk.clerk.event_bytes() {
                entry.drafts.truncate(before);
                return Err(Rejection::EventTooLarge { bytes });
            }
            recorded.push(event);
        }
        for event in &recorded {
            if let Err(unfit) = self.held.state.apply(event) {
                // Ends the partition: what was decided must hold, or the rules are wrong.
                panic!("account {} cannot take what it decided: {unfit}", self.id);
            }
        }
        Ok(())
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the decision panicked").to_owned()
}
