//! What goes wrong, by name, and how often: all of it drawn from one seed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// A step of a partition's work at which its node can die.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    Fence,
    Inputs,
    Bounds,
    Replay,
    Follow,
    Begin,
    Offsets,
    Produce,
    Commit,
    Close,
    Position,
    Load,
    Save,
    Settle,
    Clear,
    Page,
}

impl Step {
    const ALL: [Step; 16] = [
        Step::Fence,
        Step::Inputs,
        Step::Bounds,
        Step::Replay,
        Step::Follow,
        Step::Begin,
        Step::Offsets,
        Step::Produce,
        Step::Commit,
        Step::Close,
        Step::Position,
        Step::Load,
        Step::Save,
        Step::Settle,
        Step::Clear,
        Step::Page,
    ];
}

/// Before the broker hears of a step, or after it has done it and before the node hears of that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum When {
    Before,
    After,
}

/// Everything that is made to go wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// The node is gone from one moment to the next. Before a commit its request is lost, after it the answer.
    Crash(Step, When),
    /// The broker aborts a transaction and says so.
    AbortedCommit,
    /// A commit took effect, and its producer is told that it is fenced.
    CommittedUnknown,
    /// A commit did not take effect, and its producer is told that it is fenced.
    AbortedUnknown,
    /// A store of snapshots does not do what it is asked for.
    SnapshotsFail,
    /// It gives up on what it has, while it is in use.
    SnapshotsLost,
    SnapshotsDeleted,
    /// An older state of all of them comes back.
    SnapshotsOld,
    SnapshotDamaged,
    SnapshotTorn,
    BrokerAway,
    Reassigned,
    /// A node stops, its partitions go to another, it wakes up and goes on.
    Zombie,
    NodeRestarted,
    KilledBeforeItsCommands,
    KilledAfterItsCommands,
    PanicInDecide,
    PanicInApply,
    PanicInReading,
    PanicInHearing,
    PanicInApplyOfLeg,
    OffsetLost,
    OffsetMovedBack,
    OffsetMovedPastTheEnd,
    /// All topics are deleted and made anew.
    TopicsRemade,
    Misrouted,
    Duplicate,
    Conflict,
    Malformed,
    TooLarge,
    EventTooLarge,
    UpstreamCommitted,
    UpstreamAborted,
    /// Not faults of the machinery, but what has to happen often enough that something is proven.
    SagaFailed,
    SagaCompensated,
    SagaVoided,
    SagaExpired,
    SagaRefunded,
    RefundRefused,
    PostingForced,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Fault {
    /// Every fault there is.
    pub fn all() -> Vec<Fault> {
        let crashes = Step::ALL.into_iter().flat_map(|step| [When::Before, When::After].map(|w| Fault::Crash(step, w)));
        crashes
            .chain([
                Fault::AbortedCommit,
                Fault::CommittedUnknown,
                Fault::AbortedUnknown,
                Fault::SnapshotsFail,
                Fault::SnapshotsLost,
                Fault::SnapshotsDeleted,
                Fault::SnapshotsOld,
                Fault::SnapshotDamaged,
                Fault::SnapshotTorn,
                Fault::BrokerAway,
                Fault::Reassigned,
                Fault::Zombie,
                Fault::NodeRestarted,
                Fault::KilledBeforeItsCommands,
                Fault::KilledAfterItsCommands,
                Fault::PanicInDecide,
                Fault::PanicInApply,
                Fault::PanicInReading,
                Fault::PanicInHearing,
                Fault::PanicInApplyOfLeg,
                Fault::OffsetLost,
                Fault::OffsetMovedBack,
                Fault::OffsetMovedPastTheEnd,
                Fault::TopicsRemade,
                Fault::Misrouted,
                Fault::Duplicate,
                Fault::Conflict,
                Fault::Malformed,
                Fault::TooLarge,
                Fault::EventTooLarge,
                Fault::UpstreamCommitted,
                Fault::UpstreamAborted,
                Fault::SagaFailed,
                Fault::SagaCompensated,
                Fault::SagaVoided,
                Fault::SagaExpired,
                Fault::SagaRefunded,
                Fault::RefundRefused,
                Fault::PostingForced,
            ])
            .collect()
    }

    /// Notes that it was made to happen.
    pub fn note(self) {
        *tally().entry(self).or_default() += 1;
    }
}

static TALLY: Mutex<BTreeMap<Fault, u64>> = Mutex::new(BTreeMap::new());

/// How often each fault happened in all seeds of this process.
pub fn tally() -> std::sync::MutexGuard<'static, BTreeMap<Fault, u64>> {
    TALLY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a commit ends that reaches the broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fortune {
    Taken,
    Aborted,
    CommittedUnknown,
    AbortedUnknown,
}

/// The weather of one seed: one source of chance, and how rough it is.
pub struct Weather {
    dice: StdRng,
    calm: bool,
    crash: f64,
    doomed: (Step, When),
    /// How often the doomed step is still passed before it kills its node.
    reprieves: u32,
    aborted: f64,
    unknown: f64,
    slow: f64,
    /// How often a disk fails, and how many of these failures lose what it has.
    bad_disk: f64,
    lost: f64,
}

impl Weather {
    /// The weather of that seed. Seeds that follow each other doom every step in turn.
    pub fn of(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let step = Step::ALL[(seed / 2) as usize % Step::ALL.len()];
        let when = if seed.is_multiple_of(2) { When::Before } else { When::After };
        let mut rate = |rates: &[f64]| rates.choose(&mut dice).copied().unwrap_or_default();
        let (crash, aborted, unknown) = (rate(&[0.0, 0.001, 0.004]), rate(&[0.0, 0.05, 0.3]), rate(&[0.0, 0.03, 0.15]));
        let slow = rate(&[0.0, 0.02, 0.1]);
        let (bad_disk, lost) = (rate(&[0.0, 0.02, 0.2]), rate(&[0.0, 0.0, 0.1]));
        // Some steps are taken seldom.
        let reprieves = dice.random_range(0..12) % if step == Step::Page { 2 } else { 12 };
        Weather { dice, calm: false, crash, doomed: (step, when), reprieves, aborted, unknown, slow, bad_disk, lost }
    }

    /// The source of all chance.
    pub fn dice(&mut self) -> &mut StdRng {
        &mut self.dice
    }

    /// True once in `odds` times.
    pub fn one_in(&mut self, odds: u32) -> bool {
        self.dice.random_ratio(1, odds)
    }

    /// From now on nothing of itself goes wrong, or it does again.
    pub fn set_calm(&mut self, calm: bool) {
        self.calm = calm;
    }

    /// True while nothing goes wrong of itself.
    pub fn is_calm(&self) -> bool {
        self.calm
    }

    /// What goes wrong at a disk, if anything does.
    pub fn shelf_fails(&mut self) -> Option<Fault> {
        if self.calm || !self.dice.random_bool(self.bad_disk) {
            return None;
        }
        let fault = if self.dice.random_bool(self.lost) { Fault::SnapshotsLost } else { Fault::SnapshotsFail };
        fault.note();
        Some(fault)
    }

    /// How long something takes.
    pub fn delay(&mut self) -> Duration {
        let longest = if self.dice.random_bool(self.slow) { 300 } else { 4 };
        Duration::from_millis(self.dice.random_range(0..longest))
    }

    /// True when the node dies here.
    pub fn crashes(&mut self, step: Step, when: When) -> bool {
        if self.calm {
            return false;
        }
        let doomed = (step, when) == self.doomed && {
            self.reprieves = self.reprieves.wrapping_sub(1);
            self.reprieves == u32::MAX
        };
        let crashes = self.dice.random_bool(self.crash) || doomed;
        if crashes {
            Fault::Crash(step, when).note();
        }
        crashes
    }

    /// What the broker does with a commit.
    pub fn fortune(&mut self) -> Fortune {
        if self.calm {
            return Fortune::Taken;
        }
        let (fortune, fault) = match self.dice.random::<f64>() {
            drawn if drawn < self.aborted => (Fortune::Aborted, Fault::AbortedCommit),
            drawn if drawn < self.aborted + self.unknown / 2.0 => (Fortune::CommittedUnknown, Fault::CommittedUnknown),
            drawn if drawn < self.aborted + self.unknown => (Fortune::AbortedUnknown, Fault::AbortedUnknown),
            _ => return Fortune::Taken,
        };
        fault.note();
        fortune
    }
}
