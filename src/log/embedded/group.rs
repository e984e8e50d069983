//! Membership of a group that has one member.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::Core;
use super::partition::Handle;
use crate::log::{Answer, Log, Ownership, Partition, Spec};

pub(super) struct Group {
    core: Arc<Core>,
    spec: Spec,
    lane_capacity: usize,
    member: Mutex<Option<mpsc::UnboundedSender<Ownership>>>,
}

impl Group {
    pub(super) fn new(core: Arc<Core>, spec: Spec, lane_capacity: usize) -> Group {
        Group { core, spec, lane_capacity, member: Mutex::new(None) }
    }

    fn replace_member(
        &self,
        member: Option<mpsc::UnboundedSender<Ownership>>,
    ) -> Option<mpsc::UnboundedSender<Ownership>> {
        std::mem::replace(&mut *self.member.lock().unwrap_or_else(PoisonError::into_inner), member)
    }

    fn partitions(&self) -> Vec<u32> {
        (0..self.core.store.partitions()).collect()
    }
}

impl Log for Group {
    fn join(&self) -> mpsc::UnboundedReceiver<Ownership> {
        let (member, changes) = mpsc::unbounded_channel();
        // The receiver is in our own hands, so this cannot fail.
        member.send(Ownership::Assigned(self.partitions())).ok();
        self.replace_member(Some(member));
        changes
    }

    fn leave(&self) -> Answer<()> {
        let member = self.replace_member(None);
        let partitions = self.partitions();
        Box::pin(async move {
            let Some(member) = member else { return Ok(()) };
            let (done, closed) = oneshot::channel();
            if member.send(Ownership::Revoked { partitions, lost: false, done }).is_ok() {
                // Answered or dropped: both mean closed.
                closed.await.ok();
            }
            Ok(())
        })
    }

    fn open(&self, partition: u32) -> Arc<dyn Partition> {
        Arc::new(Handle::new(self.core.clone(), self.spec, partition, self.lane_capacity))
    }
}
