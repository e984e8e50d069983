//! Values that are used and never shown.

use std::collections::BTreeMap;
use std::fmt;

const HIDDEN: &str = "(hidden)";

/// A text that `Debug` does not give away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text` from now on.
    pub fn new(text: String) -> Self {
        Secret(text)
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Options of librdkafka by name.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Options {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(options: I) -> Self {
        Options(options.into_iter().collect())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, shown(name, value)))).finish()
    }
}

/// `value` as it may be shown under `key`: hidden when the key speaks of a secret, or an address carries one.
pub(super) fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    const SECRETS: [&str; 6] = ["tokens", "password", "passphrase", "secret", "key.pem", "oauthbearer.config"];
    let secret = SECRETS.iter().any(|word| key.ends_with(word))
        || (value.contains("://") && (value.contains('@') || value.contains("password=")));
    if secret && !value.is_empty() { HIDDEN } else { value }
}
