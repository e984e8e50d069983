//! Texts into values: one small parser a kind, each answering what is wrong and what to write instead.

use std::fmt::Display;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::fault::Wrong;

/// A whole number within `range`; zero is refused by the `NonZero` types themselves.
pub(super) fn number<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>) -> Result<T, Wrong> {
    let remedy = || format!("write a whole number from {} to {}", range.start(), range.end());
    match text.parse::<T>() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) => Err(Wrong::new("is out of range", remedy())),
        Err(_) => Err(Wrong::new("is no whole number in range", remedy())),
    }
}

/// `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, Wrong> {
    text.parse().map_err(|_| Wrong::new("is neither true nor false", "write true or false"))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Wrong> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        Wrong::new("is not one of the words known here", format!("write one of {}", known.join(", ")))
    })
}

/// A name that Kafka takes: 1 to `longest` letters, digits, dots, underscores and dashes.
pub(super) fn kafka_name(text: &str, longest: usize) -> Result<String, Wrong> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > longest || !text.chars().all(legal) {
        let remedy = format!("write 1 to {longest} letters, digits, `.`, `_` or `-`");
        return Err(Wrong::new("is no name that Kafka takes", remedy));
    }
    Ok(text.to_owned())
}

/// `host:port`, several with commas between.
pub(super) fn brokers(text: &str) -> Result<String, Wrong> {
    let wrong = || Wrong::new("is no list of brokers", "write `host:port`, several with commas between");
    let brokers: Vec<&str> = text.split(',').map(str::trim).collect();
    for broker in &brokers {
        let (host, port) = broker.rsplit_once(':').ok_or_else(wrong)?;
        if host.is_empty() || host.contains(char::is_whitespace) || !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(wrong());
        }
    }
    Ok(brokers.join(","))
}

/// An IP address and a port.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(
            "is no IP address with a port",
            "write for example 127.0.0.1:8090, or [::1]:8090; names are not looked up",
        )
    })
}

/// A directory, there or not; `None` when it is empty.
pub(super) fn directory(text: &str) -> Result<Option<PathBuf>, Wrong> {
    if text.contains('\0') {
        return Err(Wrong::new("is no path", "write the path of a directory, or nothing"));
    }
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

/// The address of a read store; `None` when it is empty.
pub(super) fn read_store(text: &str) -> Result<Option<String>, Wrong> {
    let known = ["postgres://", "postgresql://", "sqlite:"].iter().any(|scheme| text.starts_with(scheme));
    if !known && !text.is_empty() {
        let remedy = "write postgres://user:password@host:5432/database, or sqlite: and the path of a file";
        return Err(Wrong::new("is no address of a read store", remedy));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Whole numbers with units, largest first: `1h30m`.
pub(super) fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, Wrong> {
    let wrong = |problem| {
        let (least, most) = (Shown(*range.start()), Shown(*range.end()));
        Wrong::new(problem, format!("write whole numbers with ms, s, m, h or d, such as 1h30m, from {least} to {most}"))
    };
    let duration = parts(text).ok_or_else(|| wrong("is no duration"))?;
    if range.contains(&duration) { Ok(duration) } else { Err(wrong("is out of range")) }
}

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

fn parts(text: &str) -> Option<Duration> {
    let (mut rest, mut total, mut smaller) = (text, 0_u64, &UNITS[..]);
    while !rest.is_empty() {
        let (digits, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, next) = behind.split_at(behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len()));
        let place = smaller.iter().position(|(name, _)| *name == unit)?;
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(smaller[place].1)?)?;
        (rest, smaller) = (next, &smaller[place + 1..]);
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

/// A duration in the largest unit that it is whole in.
struct Shown(Duration);

impl Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.0.as_millis() as u64;
        let (unit, size) = UNITS.into_iter().find(|(_, size)| millis.is_multiple_of(*size)).unwrap_or(("ms", 1));
        write!(f, "{}{unit}", millis / size)
    }
}

/// At least one byte and at most `most`, bare or with a binary unit.
pub(super) fn size(text: &str, most: usize) -> Result<NonZeroUsize, Wrong> {
    let remedy = || format!("write bytes, or a whole number with KiB, MiB or GiB, from 1 to {most} bytes");
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor: Option<usize> = match unit.trim_start() {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = factor.zip(digits.parse().ok()).and_then(|(factor, count)| factor.checked_mul(count));
    let bytes = bytes.ok_or_else(|| Wrong::new("is no size", remedy()))?;
    NonZeroUsize::new(bytes).filter(|bytes| bytes.get() <= most).ok_or_else(|| Wrong::new("is out of range", remedy()))
}

/// Bearer tokens as RFC 6750 spells them, with commas or white space between.
pub(super) fn tokens(text: &str) -> Result<Vec<String>, Wrong> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '+' | '/');
    let list = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|token| !token.is_empty());
    list.map(|token| {
        let body = token.trim_end_matches('=');
        let sound = !body.is_empty() && body.chars().all(legal);
        sound.then(|| token.to_owned()).ok_or_else(|| {
            let remedy =
                "use letters, digits and - . _ ~ + / with = at the end only, as `openssl rand -base64 32` gives";
            Wrong::new("holds a token that no header can carry", remedy)
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY_DURATION: RangeInclusive<Duration> = Duration::ZERO..=Duration::MAX;

    #[test]
    fn durations_are_whole_numbers_with_units_from_large_to_small() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("0s", 0)] {
            assert_eq!(duration(text, ANY_DURATION), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "30", "s", "1.5s", "-1s", "30m1h", "1s1s", "1 s", "1w", "99999999999999999999d", "213503982335d"]
        {
            assert!(duration(text, ANY_DURATION).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_out_of_range_names_the_range() {
        let wrong = duration("5s", Duration::from_secs(6)..=Duration::from_mins(30)).unwrap_err();
        assert!(wrong.remedy.contains("from 6s to 30m"), "{}", wrong.remedy);
    }

    #[test]
    fn sizes_are_bytes_or_carry_a_binary_unit() {
        for (text, bytes) in [("17", 17), ("17B", 17), ("64 KiB", 65_536), ("10MiB", 10_485_760), ("1GiB", 1 << 30)] {
            assert_eq!(size(text, usize::MAX).map(NonZeroUsize::get), Ok(bytes), "{text}");
        }
        for text in ["", "0", "MiB", "10MB", "1.5MiB", "-1", "10mib", "99999999999999999999", "17179869184GiB"] {
            assert!(size(text, usize::MAX).is_err(), "{text}");
        }
        assert!(size("11MiB", 10 << 20).is_err());
    }

    #[test]
    fn every_broker_needs_a_host_and_a_port() {
        assert_eq!(brokers("a:1, b:2,[::1]:9092"), Ok("a:1,b:2,[::1]:9092".into()));
        for text in ["", "a", "a:", ":9092", "a:0", "a:65536", "a:1,", "a b:1"] {
            assert!(brokers(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_read_store_is_a_postgresql_or_a_file() {
        for text in
            ["postgres://me:pw@db:5432/billing", "postgresql:///billing", "sqlite:read.db", "sqlite:///var/read.db"]
        {
            assert_eq!(read_store(text), Ok(Some(text.to_owned())));
        }
        assert_eq!(read_store(""), Ok(None));
        for text in ["mysql://db", "read.db", "postgres", " sqlite:a"] {
            assert!(read_store(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tokens_are_what_a_header_can_carry() {
        assert_eq!(tokens(" a==,b/+ \n c\n"), Ok(vec!["a==".into(), "b/+".into(), "c".into()]));
        assert_eq!(tokens(""), Ok(vec![]));
        for text in ["=", "a=b", "ä", "a;b"] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }
}
