//! How one aggregate answers: to a command of upstream, to a message of another aggregate, to time that passes.
//!
//! What follows is written down in the same step: events, what is said to others, replies.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::checkpoint::Added;
use super::clerk::{Arrival, Trigger};
use super::desk::{Asked, Desk, Verdict};
use super::held::{self, Held};
use crate::domain::ids::{AggregateId, Timestamp, Version};
use crate::domain::message::{Delivery, Effect, FinalReply};
use crate::domain::{Cause, Decision, Recorded, Rejection, record};
use crate::log::Drafts;
use crate::wire::message::Mail;
use crate::wire::{Outcome as Answer, Reason, Reply, Request};

/// An aggregate that is asked something.
pub struct Answering<'a, A: Mail> {
    /// Whose answer it is.
    pub id: &'a AggregateId,
    /// The aggregate.
    pub held: &'a mut Held<A>,
    /// What it decides by.
    pub desk: &'a Desk<A>,
    /// What follows is added here.
    pub drafts: &'a mut Drafts,
    /// And is counted here.
    pub added: &'a mut Added,
    /// The record that asks; none when time does.
    pub arrival: Option<Arrival<'a>>,
    /// The same, as what it causes will tell.
    pub trigger: Trigger<'a>,
    /// The time of the answer.
    pub now: Timestamp,
}

impl<A: Mail> Answering<'_, A> {
    /// Does what is asked.
    ///
    /// # Errors
    /// Why it can be neither done nor refused.
    pub fn answer(&mut self, asked: &Asked<A>) -> Result<Verdict, String> {
        match asked {
            Asked::Command(request) => self.decide(request),
            Asked::Message(delivery) => self.receive(delivery),
            Asked::WhatIsOver(_) => self.expire(),
        }
    }

    fn decide(&mut self, request: &Request<A::Command>) -> Result<Verdict, String> {
        let (state, rules) = (&self.held.state, &self.desk.rules);
        // A decision changes nothing, so a panic in it leaves the state as it was.
        let decision = catch_unwind(AssertUnwindSafe(|| state.decide(&request.command, rules, self.now)));
        match decision {
            Ok(Decision::Accepted(events)) => match self.take(events, &request.cause()) {
                Ok(()) => {
                    self.added.accepted += 1;
                    self.reply(request, Answer::Accepted, self.held.state.version());
                    Ok(Verdict::Accepted)
                }
                Err(rejection) => Ok(self.refuse(request, &rejection)),
            },
            Ok(Decision::Rejected(rejection)) => Ok(self.refuse(request, &rejection)),
            Ok(Decision::Duplicate(then)) => {
                let progress = self.held.state.progress();
                self.reply(request, progress.as_ref().map_or(Answer::Duplicate, Answer::DuplicateOf), then);
                Ok(Verdict::Duplicate)
            }
            Err(panic) => self.put_aside(&panic_text(panic.as_ref())),
        }
    }

    fn refuse(&mut self, request: &Request<A::Command>, rejection: &Rejection) -> Verdict {
        self.reply(request, Answer::Rejected(rejection), self.held.state.version());
        Verdict::Rejected
    }

    fn reply(&mut self, request: &Request<A::Command>, outcome: Answer<'_>, aggregate_version: Version) {
        let reply = Reply {
            command_id: &request.command.id,
            command_type: request.command_type,
            aggregate_id: self.id,
            correlation_id: &request.correlation_id,
            outcome,
            aggregate_version,
        };
        self.desk.clerk.reply(self.drafts, self.trigger.trace, &reply);
    }

    /// A command that nobody can decide about.
    fn put_aside(&mut self, error: &str) -> Result<Verdict, String> {
        let clerk = &self.desk.clerk;
        let arrival = self.arrival.ok_or_else(|| error.to_owned())?;
        let written = clerk.written(arrival).map_err(|unreadable| unreadable.to_string())?;
        clerk.dead_letter(self.drafts, written, Reason::Panic, error);
        Ok(Verdict::DeadLettered(Reason::Panic))
    }

    fn receive(&mut self, delivery: &Delivery<A::Message>) -> Result<Verdict, String> {
        let (state, rules) = (&self.held.state, &self.desk.rules);
        let received = catch_unwind(AssertUnwindSafe(|| state.receive(delivery, rules, self.now)));
        let refused = match received {
            Ok(Ok(receipt)) => match self.take(receipt.events, &delivery.cause) {
                Ok(()) => {
                    self.added.heard += 1;
                    for letter in &receipt.letters {
                        self.desk.clerk.letter(self.drafts, self.trigger.trace, letter);
                    }
                    return Ok(Verdict::Internal);
                }
                Err(rejection) => rejection.to_string(),
            },
            Ok(Err(unexpected)) => return Err(unexpected.to_string()),
            Err(panic) => panic_text(panic.as_ref()),
        };
        let Some(letter) = A::unavailable(delivery) else { return Err(refused) };
        tracing::error!(aggregate = %self.id, reason = refused, "a leg cannot be decided and is refused");
        self.desk.clerk.letter(self.drafts, self.trigger.trace, &letter);
        Ok(Verdict::Internal)
    }

    fn expire(&mut self) -> Result<Verdict, String> {
        let state = &self.held.state;
        let expired = catch_unwind(AssertUnwindSafe(|| state.expire(self.now)));
        let events = expired.map_err(|panic| panic_text(panic.as_ref()))?;
        if let Some(cause) = events.first().and_then(|event| state.expiry_cause(event)) {
            self.take(events, &cause).map_err(|rejection| rejection.to_string())?;
        }
        Ok(Verdict::Internal)
    }

    /// Writes down what was decided, takes it, and does what follows from it; nothing of all that when one event would
    /// not fit its topic.
    fn take(&mut self, events: Vec<A::Event>, cause: &Cause) -> Result<(), Rejection> {
        let Desk { clerk, rules, .. } = self.desk;
        let before = self.drafts.len();
        let recorded = record(&self.held.state, events, cause, self.now);
        let mut source = None;
        for event in &recorded {
            // What time has ended is nobody's doing.
            let is_expiry = self.held.state.expiry_cause(&event.body).is_some();
            let trigger = if is_expiry { Trigger::default() } else { self.trigger };
            source = source.or(trigger.source);
            let bytes = clerk.event::<A>(self.drafts, trigger, self.id, event);
            if bytes > clerk.event_bytes() {
                self.drafts.truncate(before);
                return Err(Rejection::EventTooLarge { bytes });
            }
        }
        for event in &recorded {
            if let Err(unfit) = self.held.state.apply(event) {
                // Ends the partition: what was decided must hold, or the rules are wrong.
                panic!("{} {} cannot take what it decided: {unfit}", A::AGGREGATE, self.id);
            }
            for effect in self.held.state.react(self.id, event, rules) {
                self.carry_out(effect);
            }
            self.count(event);
        }
        held::note(&mut self.held.sources, source);
        held::note(&mut self.added.sources, source);
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) {
        let (clerk, trace) = (&self.desk.clerk, self.trigger.trace);
        match effect {
            Effect::Message(letter) => clerk.letter(self.drafts, trace, &letter),
            Effect::Reply(FinalReply { operation, cause, version, ending }) => {
                let reply = Reply {
                    command_id: &cause.command_id,
                    command_type: operation.as_str(),
                    aggregate_id: self.id,
                    correlation_id: &cause.correlation_id,
                    outcome: Answer::Ended(&ending),
                    aggregate_version: version,
                };
                clerk.reply(self.drafts, trace, &reply);
            }
        }
    }

    fn count(&mut self, event: &Recorded<A::Event>) {
        if let Some(milestone) = self.held.state.milestone(&event.body) {
            self.added.milestones.add(milestone);
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the decision panicked").to_owned()
}
