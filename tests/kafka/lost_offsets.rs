//! Offsets that were deleted or moved while the engine was down.

use std::time::Duration;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::{Engine, Setup};
use crate::support::kafka::Kafka;
use crate::support::load::Load;
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// A session that must run out, a start, a replay.
const LIMIT: Duration = Duration::from_secs(60);

/// An engine that has done some work and was stopped.
struct Stopped {
    kafka: &'static Kafka,
    setup: Setup,
    offsets: Offsets,
    upstream: Upstream,
    load: Load,
}

impl Stopped {
    fn after_some_work(test: &str) -> Stopped {
        let kafka = Kafka::shared();
        let setup = Setup::new(kafka, test).with("BILLING__KAFKA__SESSION_TIMEOUT", "6s").with_topics();
        let offsets = Offsets::new(kafka, setup.prefix());
        let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
        let mut stopped = Stopped { kafka, setup, offsets, upstream, load: Load::new(29, 30) };
        let engine = stopped.setup.start();
        stopped.work();
        engine.stop();
        stopped
    }

    /// More commands, until they are done.
    fn work(&mut self) {
        self.load.by_ref().take(500).for_each(|command| self.upstream.send(&command));
        self.upstream.flush();
        self.offsets.wait_until_idle(LIMIT);
    }

    /// Runs the tool of the group again until it has done what was asked: it refuses while the group has members.
    fn alter_group(&self, args: &[&str], done: impl Fn(&[Option<i64>]) -> bool) {
        let group = format!("{}-accounts", self.setup.prefix());
        let topic = self.setup.topic("account.commands");
        let args = [&["--group", &group, "--topic", &topic], args].concat();
        wait::until_true(&format!("consumer-groups {args:?} to take effect"), LIMIT, || {
            let _refusal = self.kafka.try_tool("consumer-groups", &args, "");
            done(&self.offsets.group("commands"))
        });
    }

    /// Every partition halts and says which offset is missing and how to go on.
    fn assert_halts(&self) {
        let engine = self.setup.spawn();
        wait::until_true("all partitions to halt", LIMIT, || halted(&engine) == 3.0);
        assert!(!engine.is_ready(), "ready although nothing can be worked on");
        let log = engine.log();
        for partition in 0..3 {
            let gap = format!("{}:{partition}", self.setup.topic("account.commands"));
            assert!(log.contains(&gap), "{gap} is not named:\n{log}");
        }
        assert!(log.contains("--accept-offset"), "the way on is not named:\n{log}");
        engine.stop();
    }

    /// With the offsets given by hand it goes on, and nothing has happened twice or not at all.
    fn assert_goes_on_at(&mut self, accepted: &[Option<i64>]) {
        let topic = self.setup.topic("account.commands");
        let arguments = accepted.iter().enumerate().flat_map(|(partition, offset)| {
            let offset = offset.expect("every partition had an offset");
            ["--accept-offset".to_owned(), format!("{topic}:{partition}={offset}")]
        });
        let engine = self.setup.clone().with_arguments(&arguments.collect::<Vec<_>>()).start();
        self.work();
        engine.stop();
        Audit::of(self.kafka, self.setup.prefix()).assert_clean();
    }
}

#[test]
fn deleted_offsets_halt_their_partitions_until_somebody_names_the_offset() {
    let mut stopped = Stopped::after_some_work("deleted");
    let kept = stopped.offsets.group("commands");
    stopped.alter_group(&["--delete-offsets"], |offsets| offsets.iter().all(Option::is_none));
    stopped.assert_halts();
    stopped.assert_goes_on_at(&kept);
}

#[test]
fn offsets_reset_to_the_beginning_halt_their_partitions_instead_of_doing_everything_again() {
    let mut stopped = Stopped::after_some_work("reset");
    let kept = stopped.offsets.group("commands");
    let reset = ["--reset-offsets", "--to-earliest", "--execute"];
    stopped.alter_group(&reset, |offsets| offsets.iter().all(|offset| *offset == Some(0)));
    stopped.assert_halts();
    stopped.assert_goes_on_at(&kept);
}

fn halted(engine: &Engine) -> f64 {
    engine.metric("billing_partition_state", &["state=\"halted\"", "aggregate=\"account\""])
}
