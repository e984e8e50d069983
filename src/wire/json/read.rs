//! Objects taken apart: which field is missing, unknown or wrong is known where it is read.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Fault, plain, shown};
use crate::domain::ids::InvalidId;
use crate::domain::money::RequestedAmount;

/// What fields that nobody asked for mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// Nothing; but two of one name are refused all the same.
    Ignored,
    /// The object is refused, even when the value is null.
    Refused,
}

/// Takes in every member of a JSON object with `each`, the value as the text that was sent. When the object turns out
/// not to be what it seemed, all of it is taken in anew, from another copy of `blank`.
///
/// # Errors
/// What is no object, or no JSON.
pub fn members<'a, T: Clone>(
    name: &'static str,
    object: &'a str,
    blank: T,
    each: impl Fn(&mut T, Cow<'a, str>, &'a str),
) -> Result<T, Fault> {
    let mut taken = blank.clone();
    if plain::object(object, |key, value| each(&mut taken, Cow::Borrowed(key), value)).is_some() {
        return Ok(taken);
    }
    taken = blank;
    parsed(name, object, |key, value| each(&mut taken, key, value)).map(|()| taken)
}

fn parsed<'a>(name: &'static str, object: &'a str, each: impl FnMut(Cow<'a, str>, &'a str)) -> Result<(), Fault> {
    if !object.trim_ascii_start().starts_with('{') {
        return Err(Fault::NotAnObject(name));
    }
    let mut parser = serde_json::Deserializer::from_str(object);
    parser.deserialize_map(Each(each)).and_then(|()| parser.end()).map_err(Fault::NotJson)
}

struct Each<F>(F);

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, F: FnMut(Cow<'de, str>, &'de str)> Visitor<'de> for Each<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((Key(key), value)) = map.next_entry::<_, &RawValue>()? {
            (self.0)(key, value.get());
        }
        Ok(())
    }
}

/// The fields of these names, in this order.
///
/// # Errors
/// What is no object, no JSON, has two equal keys, or a field it should not have.
pub fn fields<'a, const N: usize>(
    name: &'static str,
    object: &'a str,
    names: [&'static str; N],
    unknown: Unknown,
) -> Result<[Field<'a>; N], Fault> {
    let blank =
        Taken { fields: names.map(|name| Field { name, sent: None }), due: 0, twice: None, strangers: Vec::new() };
    let Taken { fields, twice, mut strangers, .. } = members(name, object, blank, Taken::take)?;
    if let Some(field) = twice {
        return Err(Fault::EqualKeys { object: name, field: field.to_owned() });
    }
    if unknown == Unknown::Refused
        && let Some(field) = strangers.first()
    {
        return Err(Fault::UnknownField { object: name, field: shown(field) });
    }
    strangers.sort_unstable();
    match strangers.array_windows().find(|[one, other]| one == other) {
        Some([field, _]) => Err(Fault::EqualKeys { object: name, field: shown(field) }),
        None => Ok(fields),
    }
}

/// Fields as they come.
#[derive(Clone)]
struct Taken<'a, const N: usize> {
    fields: [Field<'a>; N],
    /// The one that comes next when all come in the order of their names, as they mostly do.
    due: usize,
    twice: Option<&'static str>,
    strangers: Vec<Cow<'a, str>>,
}

impl<'a, const N: usize> Taken<'a, N> {
    #[inline]
    fn take(&mut self, key: Cow<'a, str>, value: &'a str) {
        let is_named = |field: &Field<'_>| field.name == key;
        let place = if self.fields.get(self.due).is_some_and(is_named) {
            self.due
        } else {
            match self.fields.iter().position(is_named) {
                Some(place) => place,
                None => return self.strangers.push(key),
            }
        };
        self.due = place + 1;
        let field = &mut self.fields[place];
        if field.sent.replace(value).is_some() {
            self.twice = Some(field.name);
        }
    }
}

/// The text of a JSON string, without its escapes; `None` for any other value.
pub fn string(sent: &str) -> Option<Cow<'_, str>> {
    let inner = sent.strip_prefix('"')?.strip_suffix('"')?;
    if has_escape(inner.as_bytes()) {
        serde_json::from_str(sent).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Most strings are short: looking at all of one without stopping is fastest.
fn has_escape(text: &[u8]) -> bool {
    text.chunks(128).any(|piece| piece.iter().fold(false, |found, byte| found | (*byte == b'\\')))
}

/// One field of an object: absent, null, or a value as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    name: &'static str,
    sent: Option<&'a str>,
}

impl<'a> Field<'a> {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The value as it was sent; `None` when absent.
    pub fn sent(self) -> Option<&'a str> {
        self.sent
    }

    /// The value as it was sent; `None` when absent or null.
    pub fn present(self) -> Option<&'a str> {
        self.sent.filter(|sent| *sent != "null")
    }

    /// The value as it was sent.
    ///
    /// # Errors
    /// Absent or null.
    pub fn required(self) -> Result<&'a str, Fault> {
        self.present().ok_or(Fault::Missing(self.name))
    }

    /// Reads it when it is there.
    ///
    /// # Errors
    /// What `read` refuses.
    pub fn optional<T>(self, read: impl FnOnce(Self) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
        self.present().map(|_| read(self)).transpose()
    }

    /// A string.
    ///
    /// # Errors
    /// Absent or no string.
    pub fn string(self) -> Result<Cow<'a, str>, Fault> {
        string(self.required()?).ok_or_else(|| self.must_be("a string"))
    }

    /// A string of 1 to `longest` characters.
    ///
    /// # Errors
    /// Absent or anything else.
    pub fn text<T: for<'t> From<&'t str>>(self, longest: usize) -> Result<T, Fault> {
        string(self.required()?)
            .filter(|text| !text.is_empty() && (text.len() <= longest || text.chars().nth(longest).is_none()))
            .map(|text| T::from(&text))
            .ok_or_else(|| self.must_be(format_args!("a string of 1 to {longest} characters")))
    }

    /// An id.
    ///
    /// # Errors
    /// Absent or anything else.
    pub fn id<T>(self, parse: fn(&str) -> Result<T, InvalidId>) -> Result<T, Fault> {
        string(self.required()?)
            .and_then(|text| parse(&text).ok())
            .ok_or_else(|| self.must_be("a string of 1 to 128 characters of A-Z a-z 0-9 . _ : -"))
    }

    /// One of a few words.
    ///
    /// # Errors
    /// Absent or anything else.
    pub fn word<T: Display>(self, parse: fn(&str) -> Option<T>, all: &[T]) -> Result<T, Fault> {
        string(self.required()?).and_then(|text| parse(&text)).ok_or_else(|| {
            let words: Vec<_> = all.iter().map(T::to_string).collect();
            self.must_be(format_args!("one of {}", words.join(", ")))
        })
    }

    /// An amount, not yet judged.
    ///
    /// # Errors
    /// Absent, outside the grammar, or a JSON number, which may have lost money already.
    pub fn amount(self) -> Result<RequestedAmount, Fault> {
        string(self.required()?)
            .and_then(|text| RequestedAmount::parse(&text).ok())
            .ok_or_else(|| self.must_be("a decimal number in a string, such as \"50.00\""))
    }

    /// A whole number from 0 to 2^63-1, written without fraction, exponent or sign.
    ///
    /// # Errors
    /// Absent or anything else.
    pub fn whole_number(self) -> Result<u64, Fault> {
        let sent = self.required()?;
        let digits = sent.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .then(|| sent.parse().ok())
            .flatten()
            .filter(|number| i64::try_from(*number).is_ok())
            .ok_or_else(|| self.must_be("an integer from 0 to 2^63-1"))
    }

    /// The fault of a value that is not what it should be.
    pub fn must_be(self, expected: impl Display) -> Fault {
        Fault::Invalid { field: self.name, expected: expected.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SAMPLE: &str = r#" {"a":"b", "c" : {"d":[1,"x",null],"e":{}},"f":true,"g":12.5e-3,"h":0,"i":-7, "":"ä\n"} "#;

    type Members<'a> = Vec<(String, &'a str)>;

    fn agree(text: &str) {
        let mut found: Members<'_> = Vec::new();
        let by_parser = parsed("sample", text, |key, value| found.push((key.into_owned(), value))).ok();
        let shortcut = members("sample", text, Vec::new(), |found: &mut Members<'_>, key, value| {
            found.push((key.into_owned(), value));
        });
        assert_eq!(shortcut.ok(), by_parser.map(|()| found), "{text}");
    }

    proptest! {
        #[test]
        fn the_shortcut_finds_what_the_parser_finds(
            edits in prop::collection::vec((0..SAMPLE.len(), prop::sample::select(b"\"\\{}[],: 01-.eEtnx\n\x01".to_vec())), 0..4),
            end in 0..=SAMPLE.len(),
        ) {
            let mut bytes = SAMPLE.as_bytes().to_vec();
            edits.into_iter().for_each(|(at, byte)| bytes[at] = byte);
            if let Ok(text) = str::from_utf8(&bytes[..end]) {
                agree(text);
            }
        }
    }

    #[test]
    fn plain_objects_are_taken_apart_to_the_letter() {
        for text in [
            "{}",
            "{ }",
            " {\"a\" : 1 } ",
            "{\"a\":{\"b\":{}},\"a\":null}",
            "{\"a\":01}",
            "{\"a\":1,}",
            "{\"a\"}",
            "{\"a\":tru}",
            "{\"a\":truee}",
            "{\"a\":-}",
            "{\"a\":1}x",
            "{\"a\":\"\u{1}\"}",
            "[]",
            "",
            "{",
            "{\"a\":\"b",
        ] {
            agree(text);
        }
    }
}
