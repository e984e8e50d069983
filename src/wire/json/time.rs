//! Times as RFC 3339 in UTC with milliseconds, the only form in which the engine writes them.

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

/// The time of an RFC 3339 text, to the millisecond.
pub fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_millisecond()))
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
    fn times_are_read_back() {
        for at in [0, 1, -1, 951_827_696_789, 1_765_281_600_000, 253_402_200_000_000, -62_167_219_200_000] {
            assert_eq!(timestamp(&written(at)), Some(Timestamp(at)));
        }
        assert_eq!(timestamp("2025-12-09"), None);
    }
}
