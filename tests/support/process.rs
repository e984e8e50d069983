//! Processes that end with the test, whatever ends the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait;

/// A shell of its own process group holds the process, and a pipe from the test holds the shell: however the test
/// ends, the system closes the pipe, and the shell takes the whole group with it.
const LEASH: &str = r#"
farewell=$1; input=$2; output=$3; errors=$4; shift 4
exec 3<&0
( read -r _ <&3; eval "$farewell"; kill -9 0 ) >/dev/null 2>&1 &
"$@" 3<&- <"$input" >>"$output" 2>>"$errors" &
echo $!
wait $!
"#;

/// How much of a log is shown when a test fails.
const TAIL_LINES: usize = 60;

/// A process on a leash, its output in a file.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    pid: Pid,
    shell: Child,
    leash: Option<ChildStdin>,
}

/// What a process that has ended by itself left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    name: String,
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

impl Finished {
    /// Its standard output.
    ///
    /// # Panics
    /// When the exit code is not 0, with all it said.
    pub fn expect_success(self) -> String {
        assert_eq!(self.code, 0, "{} failed:\n{}{}", self.name, self.output, self.errors);
        self.output
    }
}

impl Process {
    /// Starts `command`, whose output is appended to `log`.
    ///
    /// # Panics
    /// When there is no shell.
    pub fn start(name: &str, command: &Command, log: &Path) -> Process {
        Process::start_with_farewell(name, command, log, "")
    }

    /// The same; `farewell` is what the shell runs before it ends the process because the test has ended.
    ///
    /// # Panics
    /// When there is no shell.
    pub fn start_with_farewell(name: &str, command: &Command, log: &Path, farewell: &str) -> Process {
        Process::leash(name, command, farewell, [Path::new("/dev/null"), log, log])
    }

    /// Runs `command` to its end, with `input` on its standard input; its files are kept in `directory`.
    ///
    /// # Panics
    /// When it takes longer than `limit`.
    pub fn run(name: &str, command: &Command, input: &str, directory: &Path, limit: Duration) -> Finished {
        let file = |kind: &str| directory.join(format!("{name}-{:08x}.{kind}", rand::random::<u32>()));
        let files = [file("in"), file("out"), file("err")];
        fs::write(&files[0], input).expect("the directory can be written");
        let mut process = Process::leash(name, command, "", [&files[0], &files[1], &files[2]]);
        let code = process.wait(limit);
        let text = |file: &Path| String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned();
        Finished { name: name.to_owned(), code, output: text(&files[1]), errors: text(&files[2]) }
    }

    fn leash(name: &str, command: &Command, farewell: &str, [input, output, errors]: [&Path; 3]) -> Process {
        let mut shell = Command::new("sh");
        shell.args(["-c", LEASH, name, farewell]).args([input, output, errors]);
        shell.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut shell = shell.spawn().expect("a shell to hold the process");
        let leash = shell.stdin.take();
        let mut first_line = String::new();
        BufReader::new(shell.stdout.take().expect("the shell's output"))
            .read_line(&mut first_line)
            .expect("the shell says the process id");
        let pid = Pid::from_raw(first_line.trim().parse().expect("a process id"));
        Process { name: name.to_owned(), log: errors.to_owned(), pid, shell, leash }
    }

    /// Sends a signal to the process alone. One that has ended takes none.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) {
        match kill(self.pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => panic!("cannot send {signal} to {}: {error}", self.name),
        }
    }

    /// The exit code when it has ended; 128 + the signal's number when a signal ended it.
    ///
    /// # Panics
    /// When the system does not know the process.
    pub fn exit_code(&mut self) -> Option<i32> {
        let status = self.shell.try_wait().expect("the shell that holds the process can be asked")?;
        Some(status.code().expect("the shell itself is not killed while the leash is held"))
    }

    /// Waits until it has ended, and is gone from the system.
    ///
    /// # Panics
    /// When it is still there after `limit`.
    pub fn wait(&mut self, limit: Duration) -> i32 {
        let what = format!("the end of {}", self.name);
        wait::until(&what, limit, || self.exit_code())
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not go.
    pub fn kill9(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait(Duration::from_secs(10));
    }

    /// All it has said so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<_> = output.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} ({}), last lines:\n{}\n---", self.name, self.log.display(), self.tail());
        }
        self.leash = None;
        if let Err(error) = self.shell.wait() {
            eprintln!("{} may still run: {error}", self.name);
        }
    }
}
