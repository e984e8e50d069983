//! The order of the rules: a command that breaks two is refused with the first.

use super::{Ask, amount, close, credit, debit, follows, limits, open, open_in, suspend};
use crate::domain::account::AccountType::{External, System, User};
use crate::domain::account::{AccountCommand, AccountStatus, Change, CreateAccount, Posting};

/// The code of a rule, and how to break it and no rule before it: in what is given, or in what is asked.
type Break = (&'static str, fn(&mut Vec<Ask>, &mut Ask));

const CONFLICT: Break = ("IDEMPOTENCY_CONFLICT", |given, when| {
    given.last_mut().unwrap().id = Some("used");
    when.id = Some("used");
});
const VERSION: Break = ("VERSION_CONFLICT", |_, when| when.expected_version = Some(77));
const NOT_FOUND: Break = ("ACCOUNT_NOT_FOUND", |given, _| given.clear());
const CURRENCY: Break = ("INVALID_CURRENCY", |_, when| posted(when).currency = "XXX".into());
const MISMATCH: Break = ("CURRENCY_MISMATCH", |_, when| posted(when).currency = "EUR".into());
const AMOUNT: Break = ("INVALID_AMOUNT", |_, when| posted(when).amount = amount("20.001"));
const INACTIVE: Break = ("ACCOUNT_INACTIVE", |given, _| given.push(suspend()));

/// What does not exist has no commands to remember.
const IMPOSSIBLE: (&str, &str) = (CONFLICT.0, NOT_FOUND.0);

fn posted(ask: &mut Ask) -> &mut Posting {
    let (AccountCommand::Credit(posting) | AccountCommand::Debit(posting)) = &mut ask.body else { panic!("a posting") };
    posting
}

fn created(ask: &mut Ask) -> &mut CreateAccount {
    let AccountCommand::Create(create) = &mut ask.body else { panic!("a creation") };
    create
}

/// `breaks` in the order of the rules; without any of them, `when` is accepted.
fn refused_in_order(given: &[Ask], when: &Ask, breaks: &[Break]) {
    assert!(!follows(given, when).contains(": "), "nothing is broken yet");
    let mut rest = breaks;
    while let [first, later @ ..] = rest {
        assert_eq!(code(given, when, &[first]), first.0, "alone");
        for second in later.iter().filter(|second| (first.0, second.0) != IMPOSSIBLE) {
            assert_eq!(code(given, when, &[second, first]), first.0, "before {}", second.0);
        }
        rest = later;
    }
}

fn code(given: &[Ask], when: &Ask, breaks: &[&Break]) -> String {
    let (mut given, mut when) = (given.to_vec(), when.clone());
    for (_, break_rule) in breaks {
        break_rule(&mut given, &mut when);
    }
    follows(&given, &when).split(": ").next().unwrap().to_owned()
}

#[test]
fn a_debit_is_refused_with_the_first_rule_it_breaks() {
    const INSUFFICIENT: Break = ("INSUFFICIENT_BALANCE", |given, _| given.push(limits("90", "-")));
    let breaks = [CONFLICT, VERSION, NOT_FOUND, CURRENCY, MISMATCH, AMOUNT, INACTIVE, INSUFFICIENT];
    refused_in_order(&[open(User), credit("100")], &debit("20"), &breaks);

    const OVERFLOW: Break = ("AMOUNT_OVERFLOW", |given, _| {
        if !given.is_empty() {
            given.insert(1, debit("999999999999999990"));
        }
    });
    let breaks = [CONFLICT, VERSION, NOT_FOUND, CURRENCY, MISMATCH, AMOUNT, INACTIVE, OVERFLOW];
    refused_in_order(&[open(External)], &debit("20"), &breaks);
}

#[test]
fn a_credit_is_refused_with_the_first_rule_it_breaks() {
    const EXCEEDED: Break = ("MAX_BALANCE_EXCEEDED", |given, _| given.push(limits("-", "10")));
    const OVERFLOW: Break = ("AMOUNT_OVERFLOW", |given, _| {
        if !given.is_empty() {
            given.insert(1, credit("999999999999999990"));
        }
    });
    let breaks = [CONFLICT, VERSION, NOT_FOUND, CURRENCY, MISMATCH, AMOUNT, INACTIVE, EXCEEDED, OVERFLOW];
    refused_in_order(&[open(System)], &credit("20"), &breaks);
}

#[test]
fn a_creation_is_refused_with_the_first_rule_it_breaks() {
    const TAKEN: Break = ("IDEMPOTENCY_CONFLICT", |given, when| {
        *given = vec![open(System).id("used")];
        when.id = Some("used");
    });
    const EXISTS: Break = ("ACCOUNT_ALREADY_EXISTS", |given, _| given.push(open(User)));
    const CODE: Break = ("INVALID_CURRENCY", |_, when| created(when).currency = "XXX".into());
    const DECIMALS: Break = ("INVALID_AMOUNT", |_, when| created(when).min_balance = Some(amount("0.001")));
    const LIMITS: Break = ("INVALID_LIMITS", |_, when| {
        let create = created(when);
        (create.account_type, create.max_balance) = (External, Some(amount("-5")));
    });
    refused_in_order(&[], &open_in("USD", User, None, None), &[TAKEN, VERSION, EXISTS, CODE, DECIMALS, LIMITS]);
}

#[test]
fn a_change_of_status_is_refused_with_the_first_rule_it_breaks() {
    const SAME: Break = ("INVALID_STATUS_TRANSITION", |given, _| {
        given.push(AccountCommand::ChangeStatus { status: AccountStatus::Suspended, reason: "earlier".into() }.into());
    });
    refused_in_order(&[open(User)], &suspend(), &[CONFLICT, VERSION, NOT_FOUND, SAME]);

    const MONEY: Break = ("BALANCE_NOT_ZERO", |given, _| given.push(credit("1")));
    refused_in_order(&[open(User)], &close(), &[CONFLICT, VERSION, NOT_FOUND, MONEY]);
}

#[test]
fn a_change_of_limits_is_refused_with_the_first_rule_it_breaks() {
    const DECIMALS: Break = ("INVALID_AMOUNT", |_, when| set(when, 1, "2.001"));
    const CROSSED: Break = ("INVALID_LIMITS", |_, when| set(when, 0, "3"));
    let breaks = [CONFLICT, VERSION, NOT_FOUND, DECIMALS, CROSSED];
    refused_in_order(&[open(User)], &limits("1", "2"), &breaks);
}

fn set(ask: &mut Ask, which: usize, text: &str) {
    let AccountCommand::ChangeLimits { min_balance, max_balance } = &mut ask.body else { panic!("limits") };
    *[min_balance, max_balance][which] = Change::Set(amount(text));
}
