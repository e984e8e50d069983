//! Times as RFC 3339 in UTC with milliseconds, the only form in which the engine writes them.

use std::ops::Range;

use jiff::civil::DateTime;

use crate::domain::ids::Timestamp;

const MILLIS_A_DAY: i64 = 86_400_000;

/// Appends `2025-12-09T12:00:00.000Z`. Years have four digits from 0 to 9999.
///
/// By hand, since it stands in every event: a general formatter costs as much as the rest of the event.
pub fn push_timestamp(out: &mut Vec<u8>, at: Timestamp) {
    let (year, month, day) = date(at.0.div_euclid(MILLIS_A_DAY));
    let millis = at.0.rem_euclid(MILLIS_A_DAY);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |end: usize, width: usize, number: i64| {
        let mut rest = number;
        for place in text[end - width..end].iter_mut().rev() {
            *place = b'0' + rest.rem_euclid(10) as u8;
            rest /= 10;
        }
    };
    put(4, 4, year);
    put(7, 2, month);
    put(10, 2, day);
    put(13, 2, millis / 3_600_000);
    put(16, 2, millis / 60_000 % 60);
    put(19, 2, millis / 1_000 % 60);
    put(23, 3, millis % 1_000);
    out.extend_from_slice(&text);
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of its year, in cycles of 400 years.
fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_A_CYCLE: i64 = 146_097;
    const FROM_MARCH_OF_YEAR_0: i64 = 719_468;
    let days = days + FROM_MARCH_OF_YEAR_0;
    let (cycle, day) = (days.div_euclid(DAYS_A_CYCLE), days.rem_euclid(DAYS_A_CYCLE));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, new_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (400 * cycle + year + new_year, month, day)
}

/// The time of a text as [`push_timestamp`] writes it, to the millisecond.
pub fn timestamp(text: &str) -> Option<Timestamp> {
    since_1970(text.strip_suffix('Z')?)
}

/// The time of an RFC 3339 text as upstream may write it, to the millisecond below: with a capital T, Z or an offset,
/// at most 9 digits of a fraction, and no leap second, which most clocks cannot tell. In UTC its year has four digits.
pub fn strict_timestamp(text: &str) -> Option<Timestamp> {
    let (date_and_time, rest) = text.split_at_checked(19)?;
    let fraction = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let zone = if rest.starts_with('.') { rest.get(1 + fraction..)? } else { rest };
    let is_fraction = !rest.starts_with('.') || (1..=9).contains(&fraction);
    let is_time = is_like(date_and_time, "0000-00-00T00:00:00") && &date_and_time[17..] < "60";
    if !(is_fraction && is_time) {
        return None;
    }
    let there = since_1970(&text[..text.len() - zone.len()])?;
    let at = Timestamp(there.0 - offset(zone)?);
    WRITABLE.contains(&at.0).then_some(at)
}

/// Milliseconds of the years 0 to 9999.
const WRITABLE: Range<i64> = -719_528 * MILLIS_A_DAY..2_932_897 * MILLIS_A_DAY;

/// Of a date and time without a zone. Not a [`jiff::Timestamp`], which knows nothing of the last day of 9999: that is
/// how people write "never".
fn since_1970(date_and_time: &str) -> Option<Timestamp> {
    const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let nanos = date_and_time.parse::<DateTime>().ok()?.duration_since(EPOCH).as_nanos();
    i64::try_from(nanos.div_euclid(1_000_000)).ok().map(Timestamp)
}

/// Milliseconds by which the clocks of a zone are ahead.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    if !is_like(zone, "+00:00") || &zone[1..3] >= "24" || &zone[4..] >= "60" {
        return None;
    }
    let ahead = (zone[1..3].parse::<i64>().ok()? * 60 + zone[4..].parse::<i64>().ok()?) * 60_000;
    Some(if zone.starts_with('-') { -ahead } else { ahead })
}

/// Whether a text has digits where `form` has zeros, a sign where it has a plus, and is the same elsewhere.
fn is_like(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            b'+' => matches!(byte, b'+' | b'-'),
            _ => byte == form,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(at: i64) -> String {
        let mut out = Vec::new();
        push_timestamp(&mut out, Timestamp(at));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        let days_of_ten_thousand_years = -719_528..2_932_897;
        for day in days_of_ten_thousand_years.step_by(17).chain(-800..800) {
            let at = day * MILLIS_A_DAY + (day * 7_654_321).rem_euclid(MILLIS_A_DAY);
            let expected = format!("{:.3}", jiff::Timestamp::from_millisecond(at).unwrap());
            assert_eq!(written(at), expected);
        }
    }

    #[test]
    fn upstream_writes_times_as_rfc_3339_has_them_and_in_no_other_way() {
        let noon = Some(Timestamp(1_765_281_600_000));
        for text in [
            "2025-12-09T12:00:00Z",
            "2025-12-09T12:00:00.0Z",
            "2025-12-09T12:00:00.000999999Z",
            "2025-12-09T13:30:00+01:30",
            "2025-12-09T12:00:00+00:00",
            "2025-12-08T12:01:00-23:59",
        ] {
            assert_eq!(strict_timestamp(text), noon, "{text}");
        }
        for text in [
            "",
            "2025-12-09",
            "2025-12-09T12:00:00",
            "2025-12-09 12:00:00Z",
            "2025-12-09t12:00:00Z",
            "2025-12-09T12:00:00z",
            "2025-12-09T12:00Z",
            "2025-12-09T12:00:60Z",
            "2025-12-31T23:59:60Z",
            "2025-12-09T24:00:00Z",
            "2025-02-29T12:00:00Z",
            "2025-13-09T12:00:00Z",
            "2025-12-09T12:00:00.Z",
            "2025-12-09T12:00:00,5Z",
            "2025-12-09T12:00:00.0000000001Z",
            "2025-12-09T12:00:00+0130",
            "2025-12-09T12:00:00+01",
            "2025-12-09T12:00:00+24:00",
            "2025-12-09T12:00:00+01:60",
            "2025-12-09T12:00:00+01:30:00",
            "2025-12-09T12:00:00Z[UTC]",
            "+02025-12-09T12:00:00Z",
            "12025-12-09T12:00:00Z",
            " 2025-12-09T12:00:00Z",
            "2025-12-09T12:00:0äZ",
        ] {
            assert_eq!(strict_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_is_one_that_can_be_written_down_in_utc() {
        for (text, at) in [
            ("9999-12-31T23:59:59Z", Some(WRITABLE.end - 1_000)),
            ("9999-12-31T23:59:59.999999999+00:01", Some(WRITABLE.end - 60_001)),
            ("9999-12-31T23:59:59-00:01", None),
            ("0000-01-01T00:00:00-00:01", Some(WRITABLE.start + 60_000)),
            ("0000-01-01T00:00:00+00:01", None),
            ("1969-12-31T23:59:59.9991Z", Some(-1)),
        ] {
            assert_eq!(strict_timestamp(text), at.map(Timestamp), "{text}");
        }
    }

    #[test]
    fn times_are_read_back() {
        let (first, last) = (WRITABLE.start, WRITABLE.end - 1);
        for at in [0, 1, -1, 951_827_696_789, 1_765_281_600_000, 253_402_200_000_000, first, last] {
            assert_eq!(timestamp(&written(at)), Some(Timestamp(at)));
            assert_eq!(strict_timestamp(&written(at)), Some(Timestamp(at)));
        }
        assert_eq!(timestamp("2025-12-09"), None);
    }
}
