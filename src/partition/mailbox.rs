//! What reaches a supervisor: its own beginning, a wake-up, and what the engine asks of it.

use std::sync::Arc;

use actix::fut::wrap_future;
use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WeakAddr};
use tokio::sync::oneshot;

use super::lifecycle::{End, Stage};
use super::recovery::{Takeover, recover};
use super::supervisor::{Report, Supervisor};
use crate::domain::ids::AggregateId;
use crate::log::Signal;
use crate::wire::message::Mail;

/// Tells the supervisor that something changed, from any thread. A full mailbox needs no telling: whatever is
/// in it makes the supervisor look.
pub(super) fn wake<A: Mail>(context: &mut Context<Supervisor<A>>) -> Signal {
    let supervisor: WeakAddr<Supervisor<A>> = context.address().downgrade();
    Arc::new(move || {
        if let Some(supervisor) = supervisor.upgrade() {
            supervisor.try_send(Wake).ok();
        }
    })
}

impl<A: Mail> Actor for Supervisor<A> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.report(Report::Stage(Stage::Recovering));
        let takeover = Takeover {
            log: self.log.clone(),
            settings: self.settings.clone(),
            shelf: self.shelf.clone(),
            accepted: self.accepted,
            arrived: wake(context),
            metrics: self.metrics.engine.clone(),
        };
        context.spawn(wrap_future(recover::<A>(takeover)).map(|recovered, actor: &mut Self, context| {
            actor.recovered(recovered, context);
        }));
    }
}

/// Something changed.
#[derive(Message)]
#[rtype(result = "()")]
struct Wake;

impl<A: Mail> Handler<Wake> for Supervisor<A> {
    type Result = ();

    fn handle(&mut self, _: Wake, context: &mut Context<Self>) {
        self.advance(context);
    }
}

/// Give the partition up.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Release {
    /// True when somebody else owns it already: what is decided is abandoned instead of committed.
    pub lost: bool,
    /// Answered when nothing of it is left.
    pub released: oneshot::Sender<()>,
}

impl<A: Mail> Handler<Release> for Supervisor<A> {
    type Result = ();

    fn handle(&mut self, release: Release, context: &mut Context<Self>) {
        self.releases.push(release.released);
        if release.lost || self.stage == Stage::Recovering {
            return self.close(End::Released, context);
        }
        self.enter(Stage::Draining);
        self.advance(context);
    }
}

/// Kill one actor that has commands in the next round.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Kill {
    /// Picks the victim among the actors of the round, and whether it dies before its commands or after them.
    pub lot: u64,
    /// Answered with the victim. Whoever waits no longer wants nobody killed any more.
    pub killed: oneshot::Sender<AggregateId>,
}

impl Kill {
    /// True when the victim dies before it sees its commands.
    pub(super) fn dies_before(&self) -> bool {
        self.lot.is_multiple_of(2)
    }
}

impl<A: Mail> Handler<Kill> for Supervisor<A> {
    type Result = ();

    fn handle(&mut self, kill: Kill, context: &mut Context<Self>) {
        self.condemned.retain(|waiting| !waiting.killed.is_closed());
        self.condemned.push(kill);
        self.advance(context);
    }
}
