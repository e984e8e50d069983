//! What an account is, written a second time and as plainly as can be: the rules of the contract over JSON.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::traffic::VAST;

/// An answer by the rules.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    pub outcome: &'static str,
    pub code: Option<&'static str>,
    pub version: u64,
    /// Type and data of the event.
    pub event: Option<(&'static str, Value)>,
}

/// An account as the oracle sees it.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub version: u64,
    pub open: Option<Open>,
    remembered: VecDeque<Remembered>,
}

#[derive(Clone, Debug)]
struct Remembered {
    id: String,
    content: (Value, Value),
    version: u64,
}

/// What an open account has. Amounts are whole numbers of the smallest unit.
#[derive(Clone, Debug)]
pub struct Open {
    account_type: String,
    pub status: String,
    currency: String,
    decimals: u32,
    balance: i128,
    min: Option<i128>,
    max: Option<i128>,
}

type Code = &'static str;

fn decimals_of(currency: &str) -> Option<u32> {
    match currency {
        "USD" => Some(2),
        "JPY" => Some(0),
        _ => None,
    }
}

/// The amount in smallest units.
fn parse(amount: &Value, decimals: u32) -> Result<i128, Code> {
    let text = amount.as_str().unwrap_or_default();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > decimals as usize || whole.trim_start_matches('-').len() > 18 {
        return Err("INVALID_AMOUNT");
    }
    let padded = format!("{whole}{fraction:0<width$}", width = decimals as usize);
    padded.parse().map_err(|_| "INVALID_AMOUNT")
}

fn show(units: i128, decimals: u32) -> String {
    if decimals == 0 {
        return units.to_string();
    }
    let scale = 10i128.pow(decimals);
    let sign = if units < 0 { "-" } else { "" };
    let (whole, fraction) = (units.abs() / scale, units.abs() % scale);
    format!("{sign}{whole}.{fraction:0>width$}", width = decimals as usize)
}

impl Open {
    /// The balance, as events write it.
    pub fn balance(&self) -> String {
        show(self.balance, self.decimals)
    }

    /// A limit, as events write it.
    pub fn limits(&self) -> [Option<String>; 2] {
        [self.min, self.max].map(|limit| limit.map(|units| show(units, self.decimals)))
    }

    fn show_limit(&self, limit: Option<i128>) -> Value {
        limit.map_or(Value::Null, |units| show(units, self.decimals).into())
    }
}

impl Account {
    /// Answers the next command of this account, and takes what it causes.
    pub fn answer(&mut self, command: &Value, window: usize) -> Answer {
        let id = command["commandId"].as_str().unwrap_or_default();
        let content = (command["commandType"].clone(), command["data"].clone());
        if let Some(known) = self.remembered.iter().find(|known| known.id == id) {
            let (outcome, code, version) = match known.content == content {
                true => ("DUPLICATE", None, known.version),
                false => ("REJECTED", Some("IDEMPOTENCY_CONFLICT"), self.version),
            };
            return Answer { outcome, code, version, event: None };
        }
        match self.judge(command) {
            Err(code) => Answer { outcome: "REJECTED", code: Some(code), version: self.version, event: None },
            Ok((after, event)) => {
                self.version += 1;
                self.open = Some(after);
                self.remembered.push_back(Remembered { id: id.to_owned(), content, version: self.version });
                if self.remembered.len() > window {
                    self.remembered.pop_front();
                }
                Answer { outcome: "ACCEPTED", code: None, version: self.version, event: Some(event) }
            }
        }
    }

    fn judge(&self, command: &Value) -> Result<(Open, (&'static str, Value)), Code> {
        if command["expectedVersion"].as_u64().is_some_and(|expected| expected != self.version) {
            return Err("VERSION_CONFLICT");
        }
        let data = &command["data"];
        let decided = match (command["commandType"].as_str().unwrap_or_default(), self.open.clone()) {
            ("CreateAccount", Some(_)) => Err("ACCOUNT_ALREADY_EXISTS"),
            ("CreateAccount", None) => create(data),
            (_, None) => Err("ACCOUNT_NOT_FOUND"),
            ("ChangeAccountStatus", Some(open)) => change_status(open, data),
            ("ChangeAccountLimits", Some(open)) => change_limits(open, data),
            ("Credit", Some(open)) => post(open, data, 1),
            (_, Some(open)) => post(open, data, -1),
        };
        match decided {
            Ok(_) if data["reference"] == VAST => Err("EVENT_TOO_LARGE"),
            decided => decided,
        }
    }
}

type Decided = Result<(Open, (&'static str, Value)), Code>;

fn create(data: &Value) -> Decided {
    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    let currency = text("currency");
    let decimals = decimals_of(&currency).ok_or("INVALID_CURRENCY")?;
    let limit = |name: &str| data.get(name).map(|amount| parse(amount, decimals)).transpose();
    let (min, max) = (limit("minBalance")?, limit("maxBalance")?);
    let account_type = text("accountType");
    check_limits(&account_type, min, max, min.is_some() || max.is_some())?;
    let open = Open { account_type, status: "ACTIVE".to_owned(), currency, decimals, balance: 0, min, max };
    let mut event = data.clone();
    event["status"] = "ACTIVE".into();
    event["balance"] = show(0, decimals).into();
    for (name, limit) in [("minBalance", min), ("maxBalance", max)] {
        if limit.is_some() {
            event[name] = open.show_limit(limit);
        }
    }
    Ok((open, ("AccountCreated", event)))
}

fn check_limits(account_type: &str, min: Option<i128>, max: Option<i128>, touched: bool) -> Result<(), Code> {
    let crossed = min.zip(max).is_some_and(|(min, max)| min > max);
    if touched && account_type == "EXTERNAL" || crossed { Err("INVALID_LIMITS") } else { Ok(()) }
}

fn change_status(mut open: Open, data: &Value) -> Decided {
    let to = data["status"].as_str().unwrap_or_default();
    if open.status == "CLOSED" || open.status == to {
        return Err("INVALID_STATUS_TRANSITION");
    }
    if to == "CLOSED" && open.balance != 0 {
        return Err("BALANCE_NOT_ZERO");
    }
    let event = json!({"previousStatus": open.status, "newStatus": to, "reason": data["reason"]});
    open.status = to.to_owned();
    Ok((open, ("AccountStatusChanged", event)))
}

fn change_limits(mut open: Open, data: &Value) -> Decided {
    let limit = |name: &str, standing: Option<i128>| match data.get(name) {
        None => Ok(standing),
        Some(Value::Null) => Ok(None),
        Some(amount) => parse(amount, open.decimals).map(Some),
    };
    let (min, max) = (limit("minBalance", open.min)?, limit("maxBalance", open.max)?);
    check_limits(&open.account_type, min, max, true)?;
    let event = json!({
        "previousMinBalance": open.show_limit(open.min), "previousMaxBalance": open.show_limit(open.max),
        "newMinBalance": open.show_limit(min), "newMaxBalance": open.show_limit(max),
    });
    (open.min, open.max) = (min, max);
    Ok((open, ("AccountLimitsChanged", event)))
}

fn post(mut open: Open, data: &Value, sign: i128) -> Decided {
    let currency = data["currency"].as_str().unwrap_or_default();
    decimals_of(currency).ok_or("INVALID_CURRENCY")?;
    if currency != open.currency {
        return Err("CURRENCY_MISMATCH");
    }
    let amount = parse(&data["amount"], open.decimals)?;
    if amount <= 0 {
        return Err("INVALID_AMOUNT");
    }
    if open.status != "ACTIVE" {
        return Err("ACCOUNT_INACTIVE");
    }
    let after = open.balance + sign * amount;
    let floor = if open.account_type == "EXTERNAL" { None } else { Some(open.min.unwrap_or(0)) };
    if sign < 0 && floor.is_some_and(|floor| after < floor) {
        return Err("INSUFFICIENT_BALANCE");
    }
    if sign > 0 && open.max.is_some_and(|max| after > max) {
        return Err("MAX_BALANCE_EXCEEDED");
    }
    let event = json!({
        "previousBalance": open.balance(), "newBalance": show(after, open.decimals),
        "changeAmount": show(amount, open.decimals), "changeType": if sign > 0 { "CREDIT" } else { "DEBIT" },
        "reason": data["reason"], "currency": currency,
    });
    open.balance = after;
    Ok((open, ("BalanceChanged", event)))
}
