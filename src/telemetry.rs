//! Log lines on stderr: text for people, JSON for machines.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Log, LogFormat};

/// Libraries that tell more than anybody asked for. What librdkafka has to say that matters reaches the engine as
/// an error and is told there, once.
const QUIET: [&str; 4] = ["librdkafka=error", "rdkafka=error", "hyper=warn", "h2=warn"];

/// From now on log lines of this process go to stderr.
///
/// # Errors
/// When they already go somewhere.
pub fn init(log: &Log) -> Result<(), TryInitError> {
    subscriber(log, std::io::stderr, std::io::stderr().is_terminal()).try_init()
}

fn subscriber<W>(log: &Log, writer: W, ansi: bool) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let base = tracing_subscriber::fmt().with_env_filter(filter(log)).with_writer(writer).with_ansi(ansi);
    match log.format {
        LogFormat::Text => Box::new(base.finish()),
        LogFormat::Json => Box::new(base.json().flatten_event(true).with_current_span(false).finish()),
    }
}

fn filter(log: &Log) -> EnvFilter {
    let level = EnvFilter::default().add_directive(LevelFilter::from_level(log.level).into());
    QUIET.iter().filter_map(|directive| directive.parse().ok()).fold(level, EnvFilter::add_directive)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::Level;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, level: Level) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(&Log { format, level }, move || writer.clone(), false), || {
            tracing::info!(partition = 3, "took over");
            tracing::debug!("detail");
            tracing::warn!(target: "librdkafka", "chatter");
            tracing::error!(target: "librdkafka", "trouble");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_are_one_object_each_with_their_fields_at_the_top() {
        let text = written(LogFormat::Json, Level::INFO);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(
            (&lines[0]["message"], &lines[0]["partition"], &lines[0]["level"]),
            (&"took over".into(), &3.into(), &"INFO".into())
        );
    }

    #[test]
    fn the_level_is_the_least_that_is_told_and_librdkafka_only_tells_errors() {
        let text = written(LogFormat::Text, Level::DEBUG);
        assert!(
            text.contains("took over partition=3") && text.contains("detail") && text.contains("trouble"),
            "{text}"
        );
        assert!(!text.contains("chatter"), "{text}");
        assert!(!written(LogFormat::Text, Level::ERROR).contains("took over"));
    }
}
