//! Three sources of settings, laid over one another as flat keys with texts: `topics.partitions` → `3`.
//!
//! Flat, because the sources agree on nothing else: TOML has types and tables, the environment has neither.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::fault::Fault;

/// Behind any key: the value is in the file of that name.
const FROM_FILE: &str = "_file";
const OPTIONS: &str = "kafka.options.";
const CURRENCIES: &str = "currencies.";
const ENVIRONMENT: &str = "BILLING__";

/// Where a setting comes from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Origin {
    Default,
    Host,
    File(PathBuf),
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Host => f.write_str("name of the host"),
            Origin::File(path) => write!(f, "file {}", path.display()),
            Origin::Variable(name) => write!(f, "environment {name}"),
        }
    }
}

/// The text of a value and where it stands.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) text: String,
    pub(super) origin: Origin,
}

type Layer = BTreeMap<String, Setting>;

/// What is in effect so far, and what was wrong on the way.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) settings: Layer,
    pub(super) faults: Vec<Fault>,
}

impl Layers {
    /// Lays a TOML text over what is there. A `[currencies]` table in it replaces the one before.
    pub(super) fn lay_toml(&mut self, text: &str, origin: &Origin) {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return self.unreadable(text, &error, origin),
        };
        if table.contains_key("currencies") {
            self.settings.retain(|key, _| !key.starts_with(CURRENCIES));
        }
        let mut layer = Layer::new();
        self.flatten(String::new(), toml::Value::Table(table), origin, &mut layer);
        self.lay(layer);
    }

    /// Lays a file over what is there.
    pub(super) fn lay_file(&mut self, path: &Path) {
        let origin = Origin::File(path.to_owned());
        match fs::read_to_string(path) {
            Ok(text) => self.lay_toml(&text, &origin),
            Err(error) => self.faults.push(Fault {
                key: path.display().to_string(),
                value: None,
                origin: "--config".into(),
                problem: format!("cannot be read: {error}"),
                remedy: "name a file that this user may read".into(),
            }),
        }
    }

    /// Lays the variables that begin with `BILLING__` over what is there.
    pub(super) fn lay_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        let mut layer = Layer::new();
        for (name, text) in variables {
            if let Some(path) = name.strip_prefix(ENVIRONMENT) {
                let key = key_of_variable(path);
                layer.insert(key, Setting { text, origin: Origin::Variable(name) });
            }
        }
        self.lay(layer);
    }

    /// The message of the parser without its excerpt: the line may hold a secret.
    fn unreadable(&mut self, text: &str, error: &toml::de::Error, origin: &Origin) {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        self.faults.push(Fault {
            key: format!("line {}", before.matches('\n').count() + 1),
            value: None,
            origin: origin.to_string(),
            problem: error.message().replace('\n', ", "),
            remedy: "write it as TOML; nothing of this file was taken".into(),
        });
    }

    fn flatten(&mut self, key: String, value: toml::Value, origin: &Origin, layer: &mut Layer) {
        let text = match value {
            toml::Value::Table(table) => {
                for (name, value) in table {
                    let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                    self.flatten(key, value, origin, layer);
                }
                return;
            }
            toml::Value::Array(items) => list(items),
            scalar => text_of(scalar),
        };
        match text {
            Some(text) => {
                layer.insert(key, Setting { text, origin: origin.clone() });
            }
            None => self.faults.push(Fault {
                key,
                value: None,
                origin: origin.to_string(),
                problem: "is a kind of value that no setting takes".into(),
                remedy: "write a string, a whole number, true or false, or an array of strings without commas".into(),
            }),
        }
    }

    /// Resolves what is read from files, then lets this layer win.
    fn lay(&mut self, mut layer: Layer) {
        let in_files: Vec<String> = layer.keys().filter(|key| key.ends_with(FROM_FILE)).cloned().collect();
        for key in in_files {
            let Some((pointer, base)) = layer.remove(&key).zip(key.strip_suffix(FROM_FILE)) else { continue };
            if layer.contains_key(base) {
                self.faults.push(Fault {
                    key: key.clone(),
                    value: Some(pointer.text),
                    origin: pointer.origin.to_string(),
                    problem: format!("stands beside `{base}` in the same place"),
                    remedy: "keep one of the two".into(),
                });
            } else if let Some(setting) = self.read(&key, pointer) {
                layer.insert(base.to_owned(), setting);
            }
        }
        self.settings.extend(layer);
    }

    fn read(&mut self, key: &str, pointer: Setting) -> Option<Setting> {
        match fs::read_to_string(&pointer.text) {
            Ok(text) => {
                let line = text.strip_suffix('\n').unwrap_or(&text);
                let text = line.strip_suffix('\r').unwrap_or(line).to_owned();
                Some(Setting { text, origin: Origin::File(pointer.text.into()) })
            }
            Err(error) => {
                self.faults.push(Fault {
                    key: key.to_owned(),
                    value: Some(pointer.text),
                    origin: pointer.origin.to_string(),
                    problem: format!("cannot be read: {error}"),
                    remedy: "name a file of UTF-8 text that this user may read".into(),
                });
                None
            }
        }
    }
}

/// `KAFKA__OPTIONS__SASL_PASSWORD` → `kafka.options.sasl.password`; codes of currencies keep their capitals.
fn key_of_variable(path: &str) -> String {
    let key = path.to_lowercase().replace("__", ".");
    if let Some(option) = key.strip_prefix(OPTIONS) {
        let (name, suffix) = option.strip_suffix(FROM_FILE).map_or((option, ""), |name| (name, FROM_FILE));
        return format!("{OPTIONS}{}{suffix}", name.replace('_', "."));
    }
    if let Some(code) = key.strip_prefix(CURRENCIES) {
        return format!("{CURRENCIES}{}", code.to_uppercase());
    }
    key
}

/// Scalars as they would stand in a string. Floats and dates are left out: they do not keep the text they had.
fn text_of(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        _ => None,
    }
}

fn list(items: Vec<toml::Value>) -> Option<String> {
    let texts: Option<Vec<String>> = items.into_iter().map(text_of).collect();
    texts.filter(|texts| texts.iter().all(|text| !text.contains(','))).map(|texts| texts.join(","))
}
