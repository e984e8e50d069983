//! What a request asks with: the query and the id in the path, judged before anything is looked up.
//!
//! Each parameter may stand once and only where the route knows it. Nothing that was sent is ever repeated in a
//! problem: it may be long, and it may be secret.

use std::ops::RangeInclusive;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::domain::ids::AggregateId;
use crate::http::{Code, Problem};
use crate::queries::Moment;
use crate::wire::json::strict_timestamp;

/// Rows of a page: at most.
const LARGEST_PAGE: u64 = 1000;

/// Rows of a page when nobody says how many.
const DEFAULT_PAGE: u64 = 100;

/// Longest owner, in characters.
const LONGEST_TEXT: usize = 256;

/// The query of a request.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Reads a query whose parameters may be `known` and no others.
    pub(super) fn read(query: Option<&str>, known: &[&'static str]) -> Result<Parameters, Problem> {
        let mut read = Vec::new();
        for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let sent = decoded(name);
            let Some(name) = known.iter().find(|known| sent.as_deref() == Some(known)) else {
                return Err(Problem::new(Code::InvalidParameter, unknown(known)));
            };
            if read.iter().any(|(earlier, _)| earlier == name) {
                return Err(invalid(name, "stands more than once"));
            }
            let value = decoded(value).ok_or_else(|| invalid(name, "is not UTF-8"))?;
            if value.is_empty() {
                return Err(invalid(name, "is empty"));
            }
            if value.contains('\0') {
                return Err(invalid(name, "contains U+0000"));
            }
            read.push((*name, value));
        }
        Ok(Parameters(read))
    }

    /// As it was sent.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// An owner, or what it is.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let value = self.raw(name);
        match value {
            Some(value) if value.chars().count() > LONGEST_TEXT => {
                Err(invalid(name, &format!("is longer than {LONGEST_TEXT} characters")))
            }
            _ => Ok(value),
        }
    }

    /// The same, where the route cannot do without.
    pub(super) fn required_text(&self, name: &'static str) -> Result<&str, Problem> {
        self.text(name)?.ok_or_else(|| invalid(name, "is missing"))
    }

    pub(super) fn id(&self, name: &'static str) -> Result<Option<AggregateId>, Problem> {
        self.raw(name).map(|value| id(name, value)).transpose()
    }

    /// One of these words.
    pub(super) fn word<T: Copy>(
        &self,
        name: &'static str,
        words: &[T],
        text: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.raw(name) else { return Ok(None) };
        let found = words.iter().copied().find(|word| text(*word) == value);
        let expected = || words.iter().map(|word| text(*word)).collect::<Vec<_>>().join(", ");
        found.map(Some).ok_or_else(|| invalid(name, &format!("is none of {}", expected())))
    }

    /// A time, to the millisecond below.
    pub(super) fn moment(&self, name: &'static str) -> Result<Option<Moment>, Problem> {
        let read = |value| {
            strict_timestamp(value).map(|at| Moment(at.0)).ok_or_else(|| {
                invalid(name, "is no time such as 2025-12-09T12:00:00.000Z (in a query, a plus is written %2B)")
            })
        };
        self.raw(name).map(read).transpose()
    }

    /// The version that the projection must have reached.
    pub(super) fn at_least_version(&self) -> Result<Option<u64>, Problem> {
        self.whole("atLeastVersion", 0..=i64::MAX.unsigned_abs())
    }

    /// How long a page may be.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let limit = self.whole("limit", 1..=LARGEST_PAGE)?.unwrap_or(DEFAULT_PAGE);
        Ok(u32::try_from(limit).unwrap_or(u32::MAX))
    }

    fn whole(&self, name: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(value) = self.raw(name) else { return Ok(None) };
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        match value.parse().ok().filter(|number| digits && range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(invalid(name, &format!("is no whole number from {} to {}", range.start(), range.end()))),
        }
    }
}

/// The id in the path.
#[derive(Debug)]
pub(in crate::http) struct Id(pub(in crate::http) AggregateId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let sent: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(sent) = sent.map_err(|_| invalid("id", "is not UTF-8"))?;
        id("id", &sent).map(Id)
    }
}

fn id(name: &'static str, value: &str) -> Result<AggregateId, Problem> {
    AggregateId::parse(value).map_err(|error| invalid(name, &error.to_string()))
}

/// As a form writes it: a plus is a space.
fn decoded(sent: &str) -> Option<String> {
    let sent = sent.replace('+', " ");
    percent_decode_str(&sent).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn unknown(known: &[&'static str]) -> String {
    if known.is_empty() {
        "this route takes no parameters".to_owned()
    } else {
        format!("this route takes no other parameters than {}", known.join(", "))
    }
}

pub(in crate::http) fn invalid(name: &'static str, why: &str) -> Problem {
    Problem::new(Code::InvalidParameter, format!("{name} {why}")).with("parameter", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Parameters, Problem> {
        Parameters::read(Some(query), &["ownerId", "limit", "at"])
    }

    #[test]
    fn parameters_are_decoded_as_forms_are() {
        let read = read("ownerId=%C3%A4+b%2Bc&limit=7").unwrap();
        assert_eq!(read.required_text("ownerId").unwrap(), "ä b+c");
        assert_eq!(read.limit().unwrap(), 7);
        assert_eq!(read.moment("at").unwrap(), None);
        assert_eq!(Parameters::read(None, &[]).unwrap().limit().unwrap(), 100);
    }

    #[test]
    fn what_a_route_does_not_know_or_what_stands_twice_is_refused() {
        for bad in ["owner=a", "limit=1&limit=1", "ownerId", "ownerId=", "ownerId=%00", "ownerId=%FF", "%FF=a", "=a"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read("&&limit=1&").is_ok(), "nothing between two ands is no parameter");
    }

    #[test]
    fn numbers_are_digits_within_their_range() {
        for bad in ["0", "1001", "-1", "+1", "1.0", "1e2", "%201", "99999999999999999999", "x"] {
            assert!(read(&format!("limit={bad}")).unwrap().limit().is_err(), "{bad}");
        }
        for good in [1, 1000] {
            assert_eq!(read(&format!("limit={good}")).unwrap().limit().unwrap(), good);
        }
    }

    #[test]
    fn times_are_those_of_the_contract() {
        assert_eq!(read("at=1970-01-01T00:00:01.5Z").unwrap().moment("at").unwrap(), Some(Moment(1500)));
        assert_eq!(read("at=1970-01-01T01:00:00%2B01:00").unwrap().moment("at").unwrap(), Some(Moment(0)));
        for bad in ["1970-01-01", "0", "1970-01-01T00:00:60Z", "1970-01-01T01:00:00+01:00", "10000-01-01T00:00:00Z"] {
            assert!(read(&format!("at={bad}")).unwrap().moment("at").is_err(), "{bad}");
        }
    }
}
