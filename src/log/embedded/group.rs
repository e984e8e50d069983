//! A group of one member that works on partitions.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Core;
use super::member::Member;
use super::partition::Handle;
use crate::log::{Answer, Log, Ownership, Partition, Spec};

pub(super) struct Group {
    core: Arc<Core>,
    spec: Spec,
    lane_capacity: usize,
    member: Member,
}

impl Group {
    pub(super) fn new(core: Arc<Core>, spec: Spec, lane_capacity: usize) -> Group {
        let member = Member::new(core.store.partitions());
        Group { core, spec, lane_capacity, member }
    }
}

impl Log for Group {
    fn join(&self) -> mpsc::UnboundedReceiver<Ownership> {
        self.member.join()
    }

    fn leave(&self) -> Answer<()> {
        self.member.leave()
    }

    fn open(&self, partition: u32) -> Arc<dyn Partition> {
        Arc::new(Handle::new(self.core.clone(), self.spec, partition, self.lane_capacity))
    }
}
