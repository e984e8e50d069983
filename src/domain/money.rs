//! Money: a decimal at the fixed scale of its currency. Exact, or not at all.

use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

/// Most decimals a currency may have.
pub const MAX_DECIMALS: u8 = 10;

/// Most integer digits of anything that can be refused.
pub const MAX_INTEGER_DIGITS: usize = 18;

/// The smallest whole number with too many integer digits.
const TOO_MANY: u128 = 1_000_000_000_000_000_000;

/// Digits that always fit a [`Decimal`], whose mantissa has 96 bits.
const MAX_DIGITS: usize = 28;

/// A currency: its code, and how many decimals its amounts have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Currency {
    code: Arc<str>,
    decimals: u8,
}

impl Currency {
    /// A currency of at most [`MAX_DECIMALS`] decimals; `None` for more.
    pub fn new(code: &str, decimals: u8) -> Option<Self> {
        (decimals <= MAX_DECIMALS).then(|| Currency { code: code.into(), decimals })
    }

    /// Its code (`USD`).
    pub fn code(&self) -> &str {
        &self.code
    }

    /// How many decimals its amounts have.
    pub fn decimals(&self) -> u8 {
        self.decimals
    }
}

/// The configured currencies.
#[derive(Clone, Debug, Default)]
pub struct Currencies(Vec<Currency>);

impl Currencies {
    /// The currency of that code, if it is configured.
    pub fn get(&self, code: &str) -> Option<&Currency> {
        self.0.iter().find(|currency| currency.code() == code)
    }
}

impl FromIterator<Currency> for Currencies {
    fn from_iter<I: IntoIterator<Item = Currency>>(currencies: I) -> Self {
        Currencies(currencies.into_iter().collect())
    }
}

/// An amount of some currency, at that currency's scale.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Amount(Decimal);

impl Amount {
    /// Nothing, at the scale of `currency`.
    pub fn zero(currency: &Currency) -> Amount {
        Amount(Decimal::new(0, u32::from(currency.decimals)))
    }

    /// An amount as an event holds it: the digits behind the point are the scale.
    ///
    /// # Errors
    /// What is outside the grammar of amounts, or too long to be held exactly.
    pub fn parse(text: &str) -> Result<Amount, InvalidAmount> {
        let requested = RequestedAmount::parse(text)?;
        let decimals = u32::try_from(requested.decimals).map_err(|_| InvalidAmount)?;
        let mantissa = requested.mantissa.ok_or(InvalidAmount)?;
        Decimal::try_from_i128_with_scale(mantissa, decimals).map(Amount).map_err(|_| InvalidAmount)
    }

    /// The amount of these digits, the last `decimals` of them behind the point; `None` when it cannot be held exactly.
    pub fn of_digits(mantissa: i128, decimals: u32) -> Option<Amount> {
        Decimal::try_from_i128_with_scale(mantissa, decimals).ok().map(Amount)
    }

    /// Digits behind the point.
    pub fn decimals(self) -> u32 {
        self.0.scale()
    }

    /// All its digits as one whole number, with the sign.
    pub fn mantissa(self) -> i128 {
        self.0.mantissa()
    }

    /// The sum, exact; `None` when 96 bits cannot hold it or the scales differ.
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.of_mantissa(self.0.mantissa().checked_add(other.0.mantissa())?, other)
    }

    /// The difference, exact; `None` like [`Amount::checked_add`].
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        self.of_mantissa(self.0.mantissa().checked_sub(other.0.mantissa())?, other)
    }

    // Decimal's own arithmetic may round to make a result fit; mantissas cannot.
    fn of_mantissa(self, mantissa: i128, other: Amount) -> Option<Amount> {
        if self.decimals() != other.decimals() {
            return None;
        }
        Amount::of_digits(mantissa, self.decimals())
    }

    /// True below zero.
    pub fn is_negative(self) -> bool {
        self.0.mantissa() < 0
    }

    /// True for zero.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// True when it has more integer digits than what can be refused may have.
    pub fn overflows(self) -> bool {
        self.0.trunc().mantissa().unsigned_abs() >= TOO_MANY
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() { self.0.abs().fmt(f) } else { self.0.fmt(f) }
    }
}

/// An amount as upstream wrote it: well formed, not yet judged.
#[derive(Clone, PartialEq, Debug)]
pub struct RequestedAmount {
    /// All digits as one number, with the sign; `None` when there are more than can be held.
    mantissa: Option<i128>,
    integer_digits: usize,
    decimals: usize,
}

impl From<Amount> for RequestedAmount {
    fn from(amount: Amount) -> Self {
        let decimals = usize::try_from(amount.decimals()).unwrap_or(usize::MAX);
        let digits = amount.mantissa().unsigned_abs().to_string().len();
        let integer_digits = digits.saturating_sub(decimals).max(1);
        RequestedAmount { mantissa: Some(amount.mantissa()), integer_digits, decimals }
    }
}

/// What upstream sent, read, and still as it was sent: some events repeat it to the letter.
#[derive(Clone, PartialEq, Debug)]
pub struct AsSent<T> {
    /// As it was sent.
    pub text: Arc<str>,
    /// What it says.
    pub value: T,
}

/// An amount as it was sent.
pub type SentAmount = AsSent<RequestedAmount>;

impl From<Amount> for SentAmount {
    fn from(amount: Amount) -> Self {
        AsSent { text: amount.to_string().into(), value: amount.into() }
    }
}

/// A text outside the grammar `-?[0-9]+(\.[0-9]+)?`, or an amount that cannot be held.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a decimal number in a string, such as \"50.00\"")]
pub struct InvalidAmount;

/// Why a well-formed amount is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AmountFault {
    /// Zero or less, where money has to move.
    #[error("amount must be greater than zero")]
    NotPositive,
    /// More decimals than the currency has.
    #[error("amount has {found} decimals, the currency has {allowed}")]
    TooManyDecimals {
        /// As sent, zeros included.
        found: usize,
        /// Of the currency.
        allowed: u8,
    },
    /// More integer digits than money has here.
    #[error("amount has {found} integer digits, at most 18 are allowed")]
    TooManyDigits {
        /// As sent, zeros included.
        found: usize,
    },
}

impl RequestedAmount {
    /// Reads an amount. Zeros count as digits; nothing is rounded or shortened.
    ///
    /// # Errors
    /// [`InvalidAmount`] outside the grammar `-?[0-9]+(\.[0-9]+)?`.
    pub fn parse(text: &str) -> Result<Self, InvalidAmount> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (integer, decimals) = match unsigned.split_once('.') {
            Some((integer, decimals)) => (integer, Some(decimals)),
            None => (unsigned, None),
        };
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(integer) || !decimals.is_none_or(is_number) {
            return Err(InvalidAmount);
        }
        let decimals = decimals.unwrap_or_default();
        let magnitude = magnitude(integer, decimals);
        let mantissa = if unsigned.len() < text.len() { magnitude.and_then(i128::checked_neg) } else { magnitude };
        Ok(RequestedAmount { mantissa, integer_digits: integer.len(), decimals: decimals.len() })
    }

    /// The amount in `currency`, whatever its sign.
    ///
    /// # Errors
    /// Too many decimals or digits.
    pub fn signed(&self, currency: &Currency) -> Result<Amount, AmountFault> {
        if self.decimals > usize::from(currency.decimals) {
            return Err(AmountFault::TooManyDecimals { found: self.decimals, allowed: currency.decimals });
        }
        let too_many = AmountFault::TooManyDigits { found: self.integer_digits };
        if self.integer_digits > MAX_INTEGER_DIGITS {
            return Err(too_many);
        }
        let missing = u32::from(currency.decimals).saturating_sub(u32::try_from(self.decimals).unwrap_or(u32::MAX));
        let mantissa = self.mantissa.and_then(|m| m.checked_mul(10i128.checked_pow(missing)?)).ok_or(too_many)?;
        Decimal::try_from_i128_with_scale(mantissa, u32::from(currency.decimals)).map(Amount).map_err(|_| too_many)
    }

    /// The amount in `currency`, to be moved.
    ///
    /// # Errors
    /// Zero and negative amounts, then what [`RequestedAmount::signed`] refuses.
    pub fn positive(&self, currency: &Currency) -> Result<Amount, AmountFault> {
        if self.mantissa.is_some_and(|mantissa| mantissa <= 0) {
            return Err(AmountFault::NotPositive);
        }
        self.signed(currency)
    }
}

/// Digits before and behind the point as one number; `None` when there are more than can be held.
fn magnitude(integer: &str, decimals: &str) -> Option<i128> {
    /// Digits that fit 64 bits, where adding up is fast. Almost every amount has no more.
    const SHORT: usize = 19;
    let mut digits = integer.bytes().chain(decimals.bytes()).map(|digit| digit.wrapping_sub(b'0'));
    match integer.len().saturating_add(decimals.len()) {
        count if count <= SHORT => {
            digits.try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(digit.into())).map(i128::from)
        }
        count if count <= MAX_DIGITS => {
            digits.try_fold(0i128, |sum, digit| sum.checked_mul(10)?.checked_add(digit.into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd() -> Currency {
        Currency::new("USD", 2).unwrap()
    }

    #[test]
    fn only_plain_decimal_numbers_are_amounts() {
        for good in ["0", "-0", "1", "007", "1.5", "-12.34", "1.000", &"9".repeat(10_000)] {
            assert!(RequestedAmount::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-", "+1", "1.", ".5", "1e3", "1,5", " 1", "1 ", "--1", "1.2.3", "٣", "0x1", "NaN", "1_0"] {
            assert_eq!(RequestedAmount::parse(bad), Err(InvalidAmount), "{bad:?}");
        }
    }

    #[test]
    fn amounts_are_judged_as_they_were_written() {
        let judged = |text: &str| RequestedAmount::parse(text).unwrap().positive(&usd()).map(|a| a.to_string());
        let digits = |n: usize| "9".repeat(n);
        assert_eq!(judged("50"), Ok("50.00".into()));
        assert_eq!(judged("007"), Ok("7.00".into()));
        assert_eq!(judged("0.5"), Ok("0.50".into()));
        assert_eq!(judged(&digits(18)), Ok(format!("{}.00", digits(18))));
        assert_eq!(judged("0"), Err(AmountFault::NotPositive));
        assert_eq!(judged("-0.000"), Err(AmountFault::NotPositive));
        assert_eq!(judged("-1"), Err(AmountFault::NotPositive));
        assert_eq!(judged("1.000"), Err(AmountFault::TooManyDecimals { found: 3, allowed: 2 }));
        assert_eq!(judged(&digits(19)), Err(AmountFault::TooManyDigits { found: 19 }));
        assert_eq!(judged(&"0".repeat(19)), Err(AmountFault::NotPositive));
        assert_eq!(judged(&digits(10_000)), Err(AmountFault::TooManyDigits { found: 10_000 }));
    }

    #[test]
    fn the_finest_currency_holds_eighteen_digits_and_more_by_adding() {
        let fine = Currency::new("FINE", MAX_DECIMALS).unwrap();
        let most = RequestedAmount::parse(&format!("{}.{}", "9".repeat(18), "9".repeat(10))).unwrap();
        let most = most.signed(&fine).unwrap();
        assert!(!most.overflows());
        let more = most.checked_add(most).unwrap();
        assert!(more.overflows());
        assert_eq!(more.to_string(), "1999999999999999999.9999999998");
        assert_eq!(more.checked_sub(most).unwrap(), most);
    }

    #[test]
    fn a_sum_that_cannot_be_exact_is_none() {
        let nines = Amount::parse(&"9".repeat(28)).unwrap();
        let eightfold = |one: Amount| (1..8).try_fold(one, |sum, _| sum.checked_add(one));
        assert_eq!(eightfold(nines), None, "more than 96 bits");
        assert_eq!(nines.checked_add(Amount::parse("1.0").unwrap()), None, "of another scale");
    }

    #[test]
    fn an_amount_asks_for_what_its_text_asks_for() {
        for text in ["0.00", "0.05", "12.34", "-7.00", "100", "0", "999999999999999999.99"] {
            let sent = SentAmount::from(Amount::parse(text).unwrap());
            assert_eq!((&*sent.text, &sent.value), (text, &RequestedAmount::parse(text).unwrap()));
        }
    }

    #[test]
    fn zero_has_no_sign() {
        let zero = RequestedAmount::parse("-0.00").unwrap().signed(&usd()).unwrap();
        assert_eq!(zero.to_string(), "0.00");
        let five = Amount::parse("5.00").unwrap();
        assert_eq!(five.checked_sub(five).unwrap().to_string(), "0.00");
    }
}
