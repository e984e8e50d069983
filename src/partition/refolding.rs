//! Actors that died: what they were is folded again, and nobody else is touched.

use std::collections::HashSet;

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context};
use foldhash::HashMap;

use super::lifecycle::{End, Halt};
use super::recovery::{self, Folded};
use super::routes::Residence;
use super::supervisor::{Supervisor, Work};
use crate::domain::ids::AggregateId;
use crate::metrics::RestartReason;
use crate::wire::{self, Wire};

impl<A: Wire> Supervisor<A> {
    /// Folds again those whose actors died: from the log, once the commit under way is in it, and from what is
    /// decided and waits.
    pub(super) fn fold_lost(&mut self, context: &mut Context<Self>) {
        if self.committing.is_some() {
            return;
        }
        let Work::Bereft { groups } = std::mem::replace(&mut self.work, Work::None) else { return };
        let lost: HashSet<AggregateId> = groups.iter().filter_map(|group| self.routes.lose(group.place)).collect();
        tracing::info!(partition = self.log.number(), actors = lost.len(), "actors died, folding them again");
        self.restarts += lost.len() as u64;
        self.metrics.aggregate.actor_restarts.of(RestartReason::Killed).increment(lost.len() as u64);
        self.work = Work::Folding { groups };
        let (log, settings) = (self.log.clone(), self.settings.clone());
        let folding = async move {
            let bounds = log.events_bounds().await?;
            recovery::fold::<A>(&log, &settings, bounds, Some(&lost)).await.map(|folded| (lost, folded))
        };
        context.spawn(wrap_future(folding).map(|folded, actor: &mut Self, context| {
            let resumed = folded.and_then(|(lost, folded)| actor.resume(&lost, folded, context));
            match resumed {
                Ok(()) => actor.advance(context),
                Err(end) => actor.close(end, context),
            }
        }));
    }

    fn resume(
        &mut self,
        lost: &HashSet<AggregateId>,
        folded: Folded<A>,
        context: &mut Context<Self>,
    ) -> Result<(), End> {
        let Work::Folding { groups } = std::mem::replace(&mut self.work, Work::None) else { return Ok(()) };
        for (id, state) in self.with_pending(lost, folded)? {
            self.routes.settle(&id, Residence::Folded(state));
        }
        self.dispatch(groups, context);
        Ok(())
    }

    /// Aggregates as the log has them, brought up to what is decided and waits for its commit.
    fn with_pending(&self, lost: &HashSet<AggregateId>, folded: Folded<A>) -> Result<HashMap<AggregateId, A>, End> {
        let mut aggregates = folded.aggregates;
        for id in lost {
            aggregates.entry(id.clone()).or_insert_with(|| A::blank(&self.settings.rules));
        }
        let round = self.desk.round.borrow();
        let events = round.drafts.iter().take(round.first_draft).filter(|d| d.topic == self.settings.spec.events);
        for draft in events {
            let Some((_, aggregate)) = aggregates.iter_mut().find(|(id, _)| draft.key == Some(id.as_str().as_bytes()))
            else {
                continue;
            };
            let event = wire::event::decode::<A>(draft.value, draft.headers.iter());
            let applied = event
                .map_err(|error| error.to_string())
                .and_then(|event| aggregate.apply(&event.recorded).map_err(|unfit| unfit.to_string()));
            if let Err(reason) = applied {
                return Err(End::Halted(self.unreadable_draft(draft.key, reason)));
            }
        }
        Ok(aggregates)
    }

    fn unreadable_draft(&self, key: Option<&[u8]>, reason: String) -> Halt {
        Halt::History {
            topic: self.settings.events_name().to_owned(),
            partition: self.log.number(),
            offset: -1,
            aggregate: String::from_utf8_lossy(key.unwrap_or_default()).into_owned(),
            reason,
        }
    }
}
