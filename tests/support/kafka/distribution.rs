//! Where Kafka's classes come from, and how one of them is run.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{fetched, scratch};

/// The oldest Java that runs Kafka 4.
const JAVA: u32 = 17;

/// The classes of one version of Kafka, and a Java to run them.
#[derive(Clone, Debug)]
pub enum Distribution {
    /// The official artifacts, fetched with Maven.
    Jars {
        /// The Java launcher.
        java: PathBuf,
        /// Where the jars lie.
        lib: PathBuf,
    },
    /// The official image, in Docker.
    Image {
        /// Name and version.
        name: String,
    },
}

impl Distribution {
    /// That version, from Maven or else from Docker.
    ///
    /// # Panics
    /// When neither is there; the message says what to install.
    pub fn find(version: &str) -> Distribution {
        let java = java();
        match java {
            Ok(java) if fetched::is_there(&place(version)) || answers(Command::new("mvn").arg("-version")) => {
                Distribution::Jars { java, lib: jars(version) }
            }
            _ if answers(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"])) => {
                Distribution::Image { name: format!("apache/kafka:{version}") }
            }
            missing => panic!(
                "these tests need a real Kafka and found none. Do one of these:\n  \
                 - install Maven and a JDK, {JAVA} or newer (Debian: apt-get install maven default-jdk-headless)\n  \
                 - start Docker\n  \
                 - set BILLING_TEST_KAFKA=host:port to a Kafka that may be filled with test topics\n\
                 Java: {missing:?}; Maven (`mvn`): {}; Docker: does not answer",
                if answers(Command::new("mvn").arg("-version")) { "found" } else { "missing" }
            ),
        }
    }

    /// The command that runs `class`. `name` is the container's, where there is one.
    pub fn run(&self, name: &str, jvm: &[&str], class: &str) -> Command {
        let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/kafka");
        let mut command = match self {
            Distribution::Jars { java, .. } => Command::new(java),
            Distribution::Image { name: image } => in_docker(name, image, &settings),
        };
        let classes = match self {
            Distribution::Jars { lib, .. } => format!("{}/*", lib.display()),
            Distribution::Image { .. } => "/opt/kafka/libs/*".to_owned(),
        };
        command
            .args(jvm)
            .arg(format!("-Dlog4j2.configurationFile={}", settings.join("log4j2.properties").display()))
            .arg(format!("-Dlog4j.configuration=file:{}", settings.join("log4j.properties").display()))
            .args(["-cp", &classes, class]);
        command
    }
}

/// The image as a mere Java with Kafka's classes: its files are ours, at the same paths and ports as outside.
fn in_docker(name: &str, image: &str, settings: &Path) -> Command {
    let ours = scratch::directory();
    let owner = fs::metadata(ours).expect("our own directory can be looked at");
    let mut docker = Command::new("docker");
    docker.args(["run", "--rm", "--interactive", "--network=host", "--entrypoint=java"]);
    docker.arg(format!("--name={name}")).arg(format!("--user={}:{}", owner.uid(), owner.gid()));
    for path in [ours, settings] {
        docker.arg(format!("--volume={0}:{0}", path.display()));
    }
    docker.arg(image);
    docker
}

/// The jars of that version; the first test process of a clone fetches them.
fn jars(version: &str) -> PathBuf {
    fetched::directory(&place(version), |directory| {
        let mut maven = Command::new("mvn");
        maven
            .args(["--quiet", "--batch-mode", "--file", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/pom.xml")])
            .arg(format!("-Dkafka.version={version}"))
            .args(["dependency:copy-dependencies", &format!("-DoutputDirectory={directory}")]);
        maven
    })
}

fn place(version: &str) -> String {
    format!("kafka/{version}/lib")
}

/// A Java that is new enough, or what is wrong with the one that was found.
fn java() -> Result<PathBuf, String> {
    let launcher = env::var_os("JAVA_HOME").map_or_else(|| "java".into(), |home| Path::new(&home).join("bin/java"));
    let output = Command::new(&launcher)
        .arg("-version")
        .output()
        .map_err(|error| format!("{} does not start: {error}", launcher.display()))?;
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    // Such as: openjdk version "17.0.15" 2025-04-15; what is before Java 9 begins with 1.
    let major = says.split('"').nth(1).and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    match major {
        Some(major) if major >= JAVA => Ok(launcher),
        _ => Err(format!("{} is too old: {}", launcher.display(), says.lines().next().unwrap_or("no version"))),
    }
}

fn answers(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}
