//! Takes typed values out of the layers and keeps account of what is wrong and what nobody asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::fault::{Fault, Wrong};
use super::layers::{Layers, Origin, Setting};
use super::parse;
use super::secret::{Options, shown};

const OPTIONS: &str = "kafka.options.";
const CURRENCIES: &str = "currencies.";

/// One setting in effect.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Effective {
    /// Its section before it.
    pub key: String,
    /// As it was written, hidden when it is a secret.
    pub value: String,
    /// Which layer it comes from.
    pub origin: String,
}

/// Reads every key once; a key that is left over is unknown.
pub(super) struct Reader {
    defaults: BTreeMap<String, Setting>,
    settings: BTreeMap<String, Setting>,
    read: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl Reader {
    pub(super) fn new(defaults: BTreeMap<String, Setting>, layers: Layers) -> Self {
        Reader { defaults, settings: layers.settings, read: BTreeSet::new(), faults: layers.faults }
    }

    /// The value of `key`. A wrong one is noted, and the default stands in for it so that reading goes on.
    ///
    /// # Panics
    /// When `config.toml` itself lacks the key or holds nonsense: a defect of the engine, which its tests find.
    pub(super) fn value<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> T {
        self.read.insert(key.to_owned());
        match self.settings.get(key).map(|setting| parse(&setting.text)) {
            Some(Ok(value)) => return value,
            Some(Err(wrong)) => self.fault(key, wrong),
            None => {}
        }
        let default = self.defaults.get(key).and_then(|setting| parse(&setting.text).ok());
        default.unwrap_or_else(|| panic!("config.toml has no sound default for {key}"))
    }

    /// The name of this engine; that of the host when none is given.
    pub(super) fn instance_id(&mut self) -> String {
        const KEY: &str = "instance_id";
        if self.settings.get(KEY).is_none_or(|setting| setting.text.is_empty()) {
            let text = gethostname::gethostname().to_string_lossy().into_owned();
            self.settings.insert(KEY.into(), Setting { text, origin: Origin::Host });
        }
        self.value(KEY, |text| if text.is_empty() { Ok(String::new()) } else { parse::kafka_name(text, 249) })
    }

    /// Decimals by code; whatever stands in the table.
    pub(super) fn currencies(&mut self) -> BTreeMap<String, u32> {
        let mut currencies = BTreeMap::new();
        for key in self.keys_under(CURRENCIES) {
            let code = key[CURRENCIES.len()..].to_owned();
            let legal = code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
            if code.is_empty() || code.len() > 16 || !legal {
                self.fault(&key, Wrong::new("is no code of a currency", "use 1 to 16 capital letters and digits"));
            }
            match parse::number(&self.settings[&key].text, 0..=10) {
                Ok(decimals) => {
                    currencies.insert(code, decimals);
                }
                Err(wrong) => self.fault(&key, wrong),
            }
        }
        if currencies.is_empty() {
            self.fault("currencies", Wrong::new("holds no currency", "name at least one with its decimals"));
        }
        currencies
    }

    /// Everything under `[kafka.options]` but what the engine owns.
    pub(super) fn options(&mut self, owned: &[(&str, &str)]) -> Options {
        let mut options = BTreeMap::new();
        for key in self.keys_under(OPTIONS) {
            let name = &key[OPTIONS.len()..];
            match owned.iter().find(|(owned, _)| *owned == name) {
                Some((_, reason)) => {
                    let problem = format!("belongs to the engine: {reason}");
                    self.fault(&key, Wrong::new(problem, "leave it out"));
                }
                None => {
                    options.insert(name.to_owned(), self.settings[&key].text.clone());
                }
            }
        }
        options.into_iter().collect()
    }

    /// Notes that `key` contradicts `others`, unless one of them is wrong by itself.
    pub(super) fn refuse(&mut self, key: &str, others: &[&str], wrong: Wrong) {
        let unsound = |key: &str| self.faults.iter().any(|fault| fault.key == key);
        if !unsound(key) && !others.iter().any(|other| unsound(other)) {
            self.fault(key, wrong);
        }
    }

    /// What is in effect, or everything that is wrong.
    pub(super) fn finish(mut self) -> Result<Vec<Effective>, Vec<Fault>> {
        let unknown: Vec<String> = self.settings.keys().filter(|key| !self.read.contains(*key)).cloned().collect();
        for key in unknown {
            let wrong = Wrong::new("is not known", self.known_near(&key));
            self.fault(&key, wrong);
        }
        if !self.faults.is_empty() {
            self.faults.sort_by(|a, b| a.key.cmp(&b.key));
            return Err(self.faults);
        }
        let effective = self.settings.into_iter().map(|(key, setting)| Effective {
            value: shown(&key, &setting.text).to_owned(),
            origin: setting.origin.to_string(),
            key,
        });
        Ok(effective.collect())
    }

    fn keys_under(&mut self, section: &str) -> Vec<String> {
        let keys: Vec<String> = self.settings.keys().filter(|key| key.starts_with(section)).cloned().collect();
        self.read.extend(keys.iter().cloned());
        keys
    }

    fn known_near(&self, key: &str) -> String {
        let section_of = |key: &str| key.split_once('.').map_or(String::new(), |(section, _)| section.to_owned());
        let section = section_of(key);
        let near: Vec<&str> =
            self.defaults.keys().filter(|known| section_of(known) == section).map(String::as_str).collect();
        if near.is_empty() {
            let sections: BTreeSet<String> = self.defaults.keys().map(|known| section_of(known)).collect();
            let sections: Vec<String> = sections.into_iter().filter(|section| !section.is_empty()).collect();
            return format!("the sections are {}", sections.join(", "));
        }
        format!("known there: {}", near.join(", "))
    }

    fn fault(&mut self, key: &str, wrong: Wrong) {
        let setting = self.settings.get(key);
        self.faults.push(Fault {
            key: key.to_owned(),
            value: setting.map(|setting| shown(key, &setting.text).to_owned()),
            origin: setting.map_or(Origin::Default, |setting| setting.origin.clone()).to_string(),
            problem: wrong.problem,
            remedy: wrong.remedy,
        });
    }
}
