//! Whether money is conserved: per currency, what all accounts hold is what came in directly, less what went out
//! directly, and what transactions that have not ended have moved so far. One that has ended has moved nothing on the
//! whole.
//!
//! Sums know no bound: an amount fits 96 bits, the sum of all of them need not.

use std::collections::{BTreeMap, HashMap};

use num_bigint::{BigInt, Sign};
use serde::Serialize;

use super::finding::Difference;
use crate::domain::account::{BalanceChanged, ChangeType};
use crate::domain::ids::AggregateId;
use crate::domain::money::{Amount, Currency};

/// Decimals of the unit that everything is counted in: the most that an amount can have, so that none is ever rounded.
const FINEST: u32 = 28;

const KIND: &str = "money";

/// The money of all currencies.
#[derive(Default)]
pub struct Money(BTreeMap<Box<str>, Sums>);

#[derive(Default)]
struct Sums {
    /// The most that any account in it has.
    decimals: u32,
    balances: BigInt,
    direct_credits: BigInt,
    direct_debits: BigInt,
    /// What each transaction has moved so far on the whole, where that is not nothing.
    nets: HashMap<AggregateId, BigInt>,
    /// Of those that have ended: never anything, if all is well.
    lost: BTreeMap<AggregateId, BigInt>,
}

/// The money of one currency, in the words of the wire.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Total {
    /// Its code.
    #[serde(skip)]
    pub currency: String,
    /// What all accounts hold.
    pub balances: String,
    /// What came in by `Credit`.
    pub direct_credits: String,
    /// What went out by `Debit`.
    pub direct_debits: String,
    /// What transactions that have not ended have moved so far, on the whole.
    pub in_flight: String,
}

impl Money {
    fn of(&mut self, currency: &Currency) -> &mut Sums {
        let sums = self.0.entry(currency.code().into()).or_default();
        sums.decimals = sums.decimals.max(currency.decimals().into());
        sums
    }

    /// A posting.
    pub fn post(&mut self, posted: &BalanceChanged) {
        let sums = self.of(&posted.currency);
        let change = units(posted.change_amount);
        let Some(leg) = &posted.leg else {
            match posted.change_type {
                ChangeType::Credit => sums.direct_credits += change,
                ChangeType::Debit => sums.direct_debits += change,
            }
            return;
        };
        let net = sums.nets.entry(leg.transaction_id.clone()).or_default();
        match posted.change_type {
            ChangeType::Credit => *net += change,
            ChangeType::Debit => *net -= change,
        }
        if net.sign() == Sign::NoSign {
            sums.nets.remove(&leg.transaction_id);
        }
    }

    /// What an account holds in the end.
    pub fn hold(&mut self, currency: &Currency, balance: Amount) {
        self.of(currency).balances += units(balance);
    }

    /// All postings of this transaction were counted, and no more will come.
    pub fn end(&mut self, transaction: &AggregateId) {
        for sums in self.0.values_mut() {
            if let Some(net) = sums.nets.remove(transaction) {
                sums.lost.insert(transaction.clone(), net);
            }
        }
    }

    /// The sums, and what does not add up. When the engine has drained, nothing may be in flight.
    pub fn settle(&self, drained: bool) -> (Vec<Total>, Vec<Difference>) {
        let settled = self.0.iter().map(|(code, sums)| sums.settle(code, drained));
        let (totals, differences): (Vec<_>, Vec<_>) = settled.unzip();
        (totals, differences.into_iter().flatten().collect())
    }
}

impl Sums {
    fn settle(&self, code: &str, drained: bool) -> (Total, Vec<Difference>) {
        let Sums { decimals, balances, direct_credits, direct_debits, nets, lost } = self;
        let text = |units: &BigInt| text(units, *decimals);
        let in_flight: BigInt = nets.values().sum();
        let difference = |id: &str, field, expected: &BigInt, found: &BigInt| Difference {
            kind: KIND,
            id: id.to_owned(),
            field,
            expected: Some(text(expected)),
            found: Some(text(found)),
        };
        let zero = BigInt::ZERO;
        let mut differences: Vec<Difference> =
            lost.iter().map(|(id, net)| difference(&format!("{code}/{id}"), "net", &zero, net)).collect();
        let expected = direct_credits - direct_debits + &in_flight;
        if expected != *balances {
            differences.push(difference(code, "balances", &expected, balances));
        }
        if drained {
            let open: BTreeMap<_, _> = nets.iter().collect();
            differences
                .extend(open.iter().map(|(id, net)| difference(&format!("{code}/{id}"), "inFlight", &zero, net)));
        }
        let total = Total {
            currency: code.to_owned(),
            balances: text(balances),
            direct_credits: text(direct_credits),
            direct_debits: text(direct_debits),
            in_flight: text(&in_flight),
        };
        (total, differences)
    }
}

fn units(amount: Amount) -> BigInt {
    BigInt::from(amount.mantissa()) * BigInt::from(10u32).pow(FINEST.saturating_sub(amount.decimals()))
}

/// With that many decimals, or with more where there are more digits to show.
fn text(units: &BigInt, decimals: u32) -> String {
    let width = FINEST as usize + 1;
    let digits = format!("{:0>width$}", units.magnitude().to_string());
    let (integer, fraction) = digits.split_at(digits.len() - FINEST as usize);
    let needed = fraction.trim_end_matches('0').len().max(decimals as usize);
    let sign = if units.sign() == Sign::Minus { "-" } else { "" };
    let point = if needed == 0 { "" } else { "." };
    format!("{sign}{integer}{point}{}", &fraction[..needed])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> BigInt {
        units(Amount::parse(text).unwrap())
    }

    #[test]
    fn sums_larger_than_any_amount_are_exact() {
        let most = Amount::parse(&format!("{}.{}", "9".repeat(18), "9".repeat(10))).unwrap();
        let sum: BigInt = std::iter::repeat_n(units(most), 1_000_000).sum();
        assert_eq!(text(&sum, 10), format!("{}.9999000000", "9".repeat(24)));
        let back = (0..1_000_000).fold(sum, |sum, _| sum - units(most));
        assert_eq!(text(&back, 10), "0.0000000000");
    }

    #[test]
    fn a_sum_has_the_decimals_of_its_currency() {
        for (amount, decimals, wanted) in [
            ("0.00", 2, "0.00"),
            ("12.34", 2, "12.34"),
            ("-0.05", 2, "-0.05"),
            ("7", 0, "7"),
            ("7", 3, "7.000"),
            ("-1234567890123456789.1", 1, "-1234567890123456789.1"),
            ("0.001", 2, "0.001"),
        ] {
            assert_eq!(text(&of(amount), decimals), wanted, "{amount}");
        }
    }
}
