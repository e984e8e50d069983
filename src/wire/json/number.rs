//! The exact value of a JSON number.

/// A JSON number, written in one way only: its digits without zeros at either end, and a power of ten. Equal
/// exactly when the numbers are, whatever any binary format could hold.
pub fn exact(number: &str) -> String {
    let (negative, unsigned) = sign(number);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [integer, fraction].concat();
    let short = all.trim_end_matches('0');
    let digits = short.trim_start_matches('0');
    if digits.is_empty() {
        return "0".to_owned();
    }
    let moved = (all.len() - short.len()) as i64 - fraction.len() as i64;
    format!("{}{digits}e{}", if negative { "-" } else { "" }, sum(exponent, moved))
}

fn sign(number: &str) -> (bool, &str) {
    match number.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    }
}

/// An exponent of any length and a small number, added.
fn sum(exponent: &str, small: i64) -> String {
    /// So many digits, and what is added to them, fit an `i64`.
    const SHORT: usize = 18;
    let (negative, magnitude) = sign(exponent);
    let magnitude = magnitude.trim_start_matches('0');
    if magnitude.len() <= SHORT {
        let exponent: i64 = magnitude.parse().unwrap_or(0);
        return (if negative { -exponent } else { exponent } + small).to_string();
    }
    let mut carry = if negative { -small } else { small };
    let mut digits: Vec<char> = magnitude
        .bytes()
        .rev()
        .map(|digit| {
            let sum = i64::from(digit - b'0') + carry;
            carry = sum.div_euclid(10);
            char::from(b'0' + sum.rem_euclid(10) as u8)
        })
        .collect();
    digits.extend(carry.to_string().chars().rev());
    let digits: String = digits.into_iter().rev().collect();
    format!("{}{}", if negative { "-" } else { "" }, digits.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_written_equally() {
        let far = "9".repeat(40);
        let farther = format!("1{}", "0".repeat(40));
        let groups: &[&[&str]] = &[
            &["0", "-0", "0.0", "0e0", "0E+99", "-0.000e-5"],
            &["1", "1.0", "1e0", "10e-1", "0.1e1", "0.001E+3", "1e00000000000000000000000000"],
            &["-12.5", "-1.25e1", "-125e-1", "-0.0125e+3"],
            &["1000", "1e3", "1.000E3"],
            &["1e-999999999999999999", "10e-1000000000000000000", "0.1e-999999999999999998"],
            &[&format!("1e-{far}"), &format!("10e-{farther}"), &format!("1.0e-0{far}")],
            &[&format!("0.1e-{far}"), &format!("1e-{farther}")],
            &["9007199254740993"],
            &["9007199254740992"],
            &["0.1"],
            &["0.1000000000000000055511151231257827"],
        ];
        for (index, group) in groups.iter().enumerate() {
            for (other_index, other) in groups.iter().enumerate() {
                for (one, two) in group.iter().flat_map(|one| other.iter().map(move |two| (one, two))) {
                    assert_eq!(exact(one) == exact(two), index == other_index, "{one} and {two}");
                }
            }
        }
    }
}
