//! The seam for those who only read: a group whose members share the partitions of some topics among them.
//!
//! Nothing is written, so nothing here is a promise about it: where reading goes on is kept by the reader, beside what
//! it makes of the records. What the group has committed is told to operators, and is how they tell the reader to
//! read again.

use std::fmt;

use tokio::sync::mpsc;

use super::{Answer, Input, Intake, Offset, Ownership, Signal, Topic};

/// One group that reads. Whoever is given a partition is given that partition of all its topics.
pub trait Subscription: Send + Sync {
    /// Joins the group. Every change of ownership comes through the channel, in order.
    fn join(&self) -> mpsc::UnboundedReceiver<Ownership>;

    /// Leaves the group; ownership is revoked first, so partitions are given up before this answers.
    fn leave(&self) -> Answer<()>;

    /// Tells this log from every other.
    fn identity(&self) -> Answer<String>;

    /// The topics, in the order in which everything about them is answered.
    fn topics(&self) -> &[Topic];

    /// Committed offset and bounds of a partition of each topic; bounds are of what is committed.
    fn inputs(&self, partition: u32) -> Answer<Vec<Input>>;

    /// Reads a partition of each topic, committed records only, from exactly these offsets. `arrived` is called when
    /// records wait.
    fn follow(&self, partition: u32, from: &[Offset], arrived: Signal) -> Answer<Following>;

    /// Has the group say that it stands at these offsets, soon, and for as long as the partition is owned.
    fn acknowledge(&self, partition: u32, next_offsets: &[Offset]);
}

/// A partition of some topics as it is read, until this is dropped.
pub struct Following {
    /// One a topic, in their order.
    pub intakes: Vec<Intake>,
    stop: Option<Box<dyn FnOnce() + Send>>,
}

impl Following {
    /// `stop` ends the reading.
    pub fn new(intakes: Vec<Intake>, stop: impl FnOnce() + Send + 'static) -> Self {
        Following { intakes, stop: Some(Box::new(stop)) }
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("intakes", &self.intakes).finish_non_exhaustive()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop();
        }
    }
}
