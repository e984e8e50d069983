//! Who is measured: the engine or the bare loop, each as a process of its own, so that its costs are its own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::ground::Ground;
use super::workload::Load;
use crate::cli::Failure;

/// Linux counts processor time in hundredths of a second for everybody who asks.
const TICKS_A_SECOND: f64 = 100.0;

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contender {
    /// `billing-engine run`.
    Engine,
    /// The yardstick.
    BareLoop,
}

impl Contender {
    /// Both, in the order in which they take turns.
    pub const ALL: [Contender; 2] = [Contender::Engine, Contender::BareLoop];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Contender::Engine => "engine",
            Contender::BareLoop => "bare loop",
        }
    }

    /// Starts it on that ground, with the settings of this process, to bear that load.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start(self, ground: &Ground, config_file: Option<&Path>, load: Load) -> Result<Process, Failure> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(std::env::current_exe()?);
        match self {
            Contender::Engine => command.arg("run"),
            Contender::BareLoop => command.args(["bench", super::BARE_LOOP]).args(load.is_saga().then_some("--sagas")),
        };
        if let Some(file) = config_file {
            command.arg("--config").arg(file);
        }
        command
            .env("BILLING__KAFKA__BROKERS", &ground.config.kafka.brokers)
            .env("BILLING__TOPICS__PREFIX", &ground.config.topics.prefix)
            .env("BILLING__HTTP__LISTEN", "127.0.0.1:0")
            .env("BILLING__LOG__LEVEL", "warn")
            .env("BILLING__DATA_DIR", data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Ok(Process { child: command.spawn()?, _data: data })
    }
}

/// A running contender; killed when dropped, which neither of them minds.
pub struct Process {
    child: Child,
    /// Its snapshots; removed with it.
    _data: TempDir,
}

impl Process {
    /// Processor time it has used, in seconds; `None` where the system does not tell.
    pub fn cpu_seconds(&self) -> Option<f64> {
        // The name in the second field may hold anything; user and system time are the 14th and the 15th.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Some(ticks.sum::<Result<f64, _>>().ok()? / TICKS_A_SECOND)
    }

    /// The most memory it has held, in MiB; `None` where the system does not tell.
    pub fn peak_mib(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
    }

    /// # Errors
    /// It ended, and should not have.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(Failure::failed("CONTENDER", format!("a measured process ended early: {status}"))),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
