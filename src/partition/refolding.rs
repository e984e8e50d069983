//! Actors that died: what they were is folded again, and nobody else is touched.

use std::collections::HashSet;

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context};

use super::checkpoint::Standing;
use super::folding::{Failure, Fold, Ground, Stretch, fold, load};
use super::held;
use super::lifecycle::{End, Halt};
use super::round::Group;
use super::routes::Residence;
use super::supervisor::{Supervisor, Work};
use crate::domain::ids::AggregateId;
use crate::metrics::RestartReason;
use crate::wire;
use crate::wire::message::Mail;

impl<A: Mail> Supervisor<A> {
    /// Folds again those whose actors died: from what is saved of them and the log, once the commit under way is in
    /// it, and from what is decided and waits.
    pub(super) fn fold_lost(&mut self, context: &mut Context<Self>) {
        if self.committing.is_some() {
            return;
        }
        let Work::Bereft { dead, groups } = std::mem::replace(&mut self.work, Work::None) else { return };
        let lost: HashSet<AggregateId> = dead.iter().filter_map(|place| self.routes.lose(*place)).collect();
        tracing::info!(partition = self.log.number(), actors = lost.len(), "actors died, folding them again");
        self.restarts += lost.len() as u64;
        self.metrics.aggregate.actor_restarts.of(RestartReason::Killed).increment(lost.len() as u64);
        self.work = Work::Folding;
        let (log, settings) = (self.log.clone(), self.settings.clone());
        // Without snapshots everything is folded; with them, what lies behind what is settled.
        let settled =
            self.keeping.as_ref().and_then(|keeping| Some((keeping.checkpoints.settled()?, keeping.shelf()?)));
        let folding = async move {
            let bounds = log.events_bounds().await?;
            let from = settled.as_ref().map_or(bounds.start, |(covered, _)| *covered);
            let mut folded = Fold::on(Standing::default());
            if let Some((_, shelf)) = &settled {
                for (id, held) in load(shelf, &settings, lost.iter().cloned().collect()).await? {
                    if let Some(held) = held {
                        folded.build_on(id, held);
                    }
                }
            }
            let ground = Ground { log: &log, settings: &settings, shelf: None };
            let stretch = Stretch { range: from..bounds.end, remembered: None, wanted: Some(&lost) };
            fold::<A>(&ground, &mut folded, stretch, async |_, _| Ok(())).await?;
            Ok((lost, folded))
        };
        context.spawn(wrap_future(folding).map(|folded: Result<_, Failure>, actor: &mut Self, context| {
            let resumed = folded.and_then(|(lost, folded)| Ok(actor.resume(&lost, folded, groups, context)?));
            match resumed {
                Ok(()) => actor.advance(context),
                Err(failure) => actor.fail(failure, context),
            }
        }));
    }

    fn resume(
        &mut self,
        lost: &HashSet<AggregateId>,
        mut folded: Fold<A>,
        groups: Vec<Group>,
        context: &mut Context<Self>,
    ) -> Result<(), End> {
        let Work::Folding = std::mem::replace(&mut self.work, Work::None) else { return Ok(()) };
        for id in lost {
            folded.begin(id, &self.settings);
        }
        self.add_pending(&mut folded)?;
        for (id, folded) in folded.aggregates {
            self.routes.settle(&id, Residence::Folded(Box::new(folded.held)));
        }
        if !groups.is_empty() {
            self.dispatch(groups, context);
        }
        Ok(())
    }

    /// Brings aggregates as the log has them up to what is decided and waits for its commit.
    fn add_pending(&self, folded: &mut Fold<A>) -> Result<(), End> {
        let round = self.desk.round.borrow();
        let events = round.drafts.iter().take(round.first_draft).filter(|d| d.topic == self.settings.spec.events);
        for draft in events {
            let Some((_, aggregate)) =
                folded.aggregates.iter_mut().find(|(id, _)| draft.key == Some(id.as_str().as_bytes()))
            else {
                continue;
            };
            let event = wire::event::decode::<A>(draft.value, draft.headers.iter());
            let applied = event.map_err(|error| error.to_string()).and_then(|event| {
                let source = held::place_of(&self.settings, self.log.number(), event.source.as_ref());
                aggregate.held.apply(&event.recorded, source).map_err(|unfit| unfit.to_string())
            });
            if let Err(reason) = applied {
                return Err(End::Halted(self.unreadable_draft(draft.key, reason)));
            }
        }
        Ok(())
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
