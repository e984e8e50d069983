//! Aggregates that a round asks for and that are not in memory: their snapshots come first.

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context};

use super::folding::{Failure, load};
use super::held::Held;
use super::keeping::SHELF_BACKOFF;
use super::lifecycle::{End, Stage};
use super::round::Group;
use super::routes::Residence;
use super::supervisor::{Supervisor, Work};
use crate::domain::ids::AggregateId;
use crate::wire::message::Mail;

/// What a shelf has of each.
type Loaded<A> = Vec<(AggregateId, Option<Held<A>>)>;

impl<A: Mail> Supervisor<A> {
    /// Gets to know these aggregates, all at once, and lets the round go on then.
    pub(super) fn look_up(&mut self, unknown: &[u32], groups: Vec<Group>, context: &mut Context<Self>) {
        let ids: Vec<AggregateId> = unknown.iter().filter_map(|place| self.routes.name(*place).cloned()).collect();
        let shelf = self.keeping.as_ref().and_then(|keeping| keeping.shelf()).filter(|_| !ids.is_empty());
        if shelf.is_none() {
            // Without snapshots everything that exists is in memory.
            self.welcome(ids.into_iter().map(|id| (id, None)).collect());
            return self.dispatch(groups, context);
        }
        self.work = Work::Loading { groups };
        self.load(ids, context);
    }

    fn load(&mut self, ids: Vec<AggregateId>, context: &mut Context<Self>) {
        let Some(shelf) = self.keeping.as_ref().and_then(|keeping| keeping.shelf()) else { return };
        let (settings, wanted) = (self.settings.clone(), ids.clone());
        let loading = async move { load::<A>(&shelf, &settings, wanted).await };
        context.spawn(wrap_future(loading).map(|loaded, actor: &mut Self, context| {
            actor.loaded(ids, loaded, context);
        }));
    }

    fn loaded(&mut self, ids: Vec<AggregateId>, loaded: Result<Loaded<A>, Failure>, context: &mut Context<Self>) {
        match loaded {
            Ok(loaded) => {
                let Work::Loading { groups } = std::mem::replace(&mut self.work, Work::None) else { return };
                self.welcome(loaded);
                self.dispatch(groups, context);
                self.advance(context);
            }
            Err(Failure::End(End::Snapshots(error))) if error.is_retriable() && self.stage == Stage::Running => {
                self.metrics.engine.snapshot_failures.increment(1);
                tracing::warn!(partition = self.log.number(), %error, "snapshots cannot be read, trying it again");
                context.run_later(SHELF_BACKOFF, |actor, context| actor.load(ids, context));
            }
            Err(failure) => self.fail(failure, context),
        }
    }

    /// Gives them their residence; those that have no snapshot do not exist, and are forgotten with the round unless
    /// they begin in it.
    fn welcome(&mut self, loaded: Loaded<A>) {
        for (id, held) in loaded {
            let exists = held.is_some();
            let held = held.unwrap_or_else(|| Held::blank(&self.settings));
            let place = self.routes.settle(&id, Residence::Folded(Box::new(held)));
            if !exists {
                self.newcomers.push(place);
            }
        }
    }

    /// Ends the partition; what cannot be used of its snapshots is forgotten first, so that its next life begins
    /// without.
    pub(super) fn fail(&mut self, failure: Failure, context: &mut Context<Self>) {
        let Failure::Distrust(reason, text) = failure else { return self.close(failure.into_end(), context) };
        self.metrics.engine.snapshots_discarded.of(reason).increment(1);
        let cleared = self.keeping.as_ref().and_then(|keeping| keeping.shelf()).map(|shelf| shelf.clear());
        self.close_after(cleared, End::Distrusted(text), context);
    }
}
