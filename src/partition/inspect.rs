//! Looking at a partition at rest: what its actors hold, to be compared with the log.

use actix::{Context, Handler, Message};
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::aggregate_actor::AggregateActor;
use super::supervisor::Supervisor;
use crate::domain::ids::AggregateId;
use crate::wire::message::Mail;

/// Answer what every aggregate in memory holds, as soon as everything decided is committed and nothing waits.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Inspect<A: Mail> {
    /// Where to answer.
    pub answer: oneshot::Sender<Inspection<A>>,
}

/// A partition at rest.
#[derive(Debug)]
pub struct Inspection<A> {
    /// What each aggregate in memory is.
    pub aggregates: Vec<(AggregateId, A)>,
    /// Actors that were folded again after they died.
    pub restarts: u64,
}

impl<A: Mail> Handler<Inspect<A>> for Supervisor<A> {
    type Result = ();

    fn handle(&mut self, inspect: Inspect<A>, context: &mut Context<Self>) {
        self.inspections.push(inspect);
        self.advance(context);
    }
}

impl<A: Mail> Supervisor<A> {
    /// Asks every actor for its state; who is only folded needs no asking, who is dead stands in the log.
    pub(super) fn inspected(&self) -> impl Future<Output = Inspection<A>> + use<A> {
        let restarts = self.restarts;
        let mut aggregates: Vec<_> = self.routes.folded().map(|(id, state)| (id.clone(), state.clone())).collect();
        let asked: Vec<_> = self
            .routes
            .living()
            .map(|(id, actor)| {
                let (answer, state) = oneshot::channel();
                actor.try_send(Reveal { answer }).ok();
                (id.clone(), state)
            })
            .collect();
        async move {
            let states = join_all(asked.into_iter().map(|(id, state)| async move { Some((id, state.await.ok()?)) }));
            aggregates.extend(states.await.into_iter().flatten());
            Inspection { aggregates, restarts }
        }
    }
}

/// Show what you hold.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Reveal<A: Mail> {
    answer: oneshot::Sender<A>,
}

impl<A: Mail> Handler<Reveal<A>> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, reveal: Reveal<A>, _: &mut Context<Self>) {
        // Whoever asked may have gone.
        reveal.answer.send(self.state().clone()).ok();
    }
}
