//! What the tables must hold: a fold of the events' JSON, without a line of the engine's code.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::database::ordered;

/// A row by column, everything as text.
pub type Row = BTreeMap<&'static str, Option<String>>;

/// Rows by table and key.
pub type Tables = BTreeMap<&'static str, BTreeMap<Vec<String>, Row>>;

/// Folds one event after the other.
#[derive(Default)]
pub struct Fold {
    pub tables: Tables,
    seen: BTreeSet<(String, u64)>,
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn millis(value: &Value) -> Option<String> {
    value.as_str().map(|text| text.parse::<Timestamp>().unwrap().as_millisecond().to_string())
}

/// The digits of an amount as one number.
fn digits(amount: &str) -> i128 {
    amount.replace('.', "").parse().unwrap()
}

fn amount(digits: i128, like: &str) -> String {
    let decimals = like.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let sign = if digits < 0 { "-" } else { "" };
    let plain = format!("{:0>1$}", digits.unsigned_abs(), decimals + 1);
    let (whole, part) = plain.split_at(plain.len() - decimals);
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

fn sum<'a>(amounts: impl Iterator<Item = &'a Row>, like: &str) -> String {
    amount(amounts.map(|row| digits(row["amount"].as_deref().unwrap())).sum(), like)
}

impl Fold {
    /// Takes the next event; one that was taken before is passed over.
    pub fn take(&mut self, topic: usize, partition: u32, event: &Value, raw: &str) {
        let id = event["aggregateId"].as_str().unwrap();
        let version = event["aggregateVersion"].as_u64().unwrap();
        if !self.seen.insert((format!("{topic}{id}"), version)) {
            return;
        }
        let context = Context { id, version, partition, event, data: &event["data"], raw };
        if topic == 0 { self.account(&context) } else { self.transaction(&context) }
    }

    fn row(&mut self, table: &'static str, key: &[&str]) -> &mut Row {
        let key = key.iter().map(|part| (*part).to_owned()).collect();
        self.tables.entry(table).or_default().entry(key).or_default()
    }

    fn account(&mut self, c: &Context<'_>) {
        let data = c.data;
        match c.event["eventType"].as_str().unwrap() {
            "AccountCreated" => {
                let (code, balance) = (data["currency"].as_str().unwrap(), data["balance"].as_str().unwrap());
                let decimals = balance.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                *self.row("currencies", &[code]) =
                    Row::from([("code", Some(code.into())), ("decimals", Some(decimals.to_string()))]);
                let row = self.row("accounts", &[c.id]);
                for (column, field) in [
                    ("owner_id", "ownerId"),
                    ("owner_type", "ownerType"),
                    ("account_type", "accountType"),
                    ("currency", "currency"),
                    ("status", "status"),
                    ("balance", "balance"),
                    ("min_balance", "minBalance"),
                    ("max_balance", "maxBalance"),
                ] {
                    row.insert(column, text(&data[field]));
                }
                row.insert("held", Some(amount(0, balance)));
                row.insert("account_id", Some(c.id.into()));
                row.insert("metadata", c.raw_field("metadata"));
                row.insert("created_at", c.at());
                row.insert("partition", Some(c.partition.to_string()));
            }
            "BalanceChanged" => {
                self.row("accounts", &[c.id]).insert("balance", text(&data["newBalance"]));
                self.entry(c);
            }
            "AccountStatusChanged" => {
                self.row("accounts", &[c.id]).insert("status", text(&data["newStatus"]));
            }
            "AccountLimitsChanged" => {
                let row = self.row("accounts", &[c.id]);
                row.insert("min_balance", text(&data["newMinBalance"]));
                row.insert("max_balance", text(&data["newMaxBalance"]));
            }
            "HoldPlaced" | "HoldCaptured" | "HoldReleased" => self.hold(c),
            other => panic!("{other}"),
        }
        let row = self.row("accounts", &[c.id]);
        row.insert("version", Some(c.version.to_string()));
        row.insert("updated_at", c.at());
    }

    fn entry(&mut self, c: &Context<'_>) {
        let row = self.row("entries", &[c.id, &format!("{:010}", c.version)]);
        for (column, field) in [
            ("change_type", "changeType"),
            ("amount", "changeAmount"),
            ("balance_before", "previousBalance"),
            ("balance_after", "newBalance"),
            ("currency", "currency"),
            ("reason", "reason"),
            ("reference", "reference"),
            ("transaction_id", "transactionId"),
            ("leg", "leg"),
        ] {
            row.insert(column, text(&c.data[field]));
        }
        row.insert("account_id", Some(c.id.into()));
        row.insert("version", Some(c.version.to_string()));
        row.insert("partition", Some(c.partition.to_string()));
        row.insert("forced", Some(if c.data["forced"] == true { "1" } else { "0" }.into()));
        row.insert("metadata", c.raw_field("metadata"));
        row.insert("at", c.at());
        row.insert("correlation_id", text(&c.event["correlationId"]));
        row.insert("causation_id", text(&c.event["causationId"]));
    }

    fn hold(&mut self, c: &Context<'_>) {
        let hold_id = c.data["holdId"].as_str().unwrap();
        let balance = self.row("accounts", &[c.id])["balance"].clone().unwrap();
        let row = self.row("holds", &[c.id, hold_id]);
        match c.event["eventType"].as_str().unwrap() {
            "HoldPlaced" => {
                *row = Row::from([
                    ("account_id", Some(c.id.into())),
                    ("hold_id", Some(hold_id.into())),
                    ("partition", Some(c.partition.to_string())),
                    ("amount", text(&c.data["amount"])),
                    ("currency", text(&c.data["currency"])),
                    ("expires_at", millis(&c.data["expiresAt"])),
                    ("transaction_id", text(&c.data["transactionId"])),
                    ("status", Some("PLACED".into())),
                    ("captured_amount", None),
                    ("release_reason", None),
                    ("placed_at", c.at()),
                    ("ended_at", None),
                ]);
            }
            "HoldCaptured" => {
                row.insert("status", Some("CAPTURED".into()));
                row.insert("captured_amount", text(&c.data["capturedAmount"]));
                row.insert("ended_at", c.at());
            }
            _ => {
                if row["status"].as_deref() == Some("PLACED") {
                    row.insert("status", Some("RELEASED".into()));
                }
                row.insert("release_reason", text(&c.data["reason"]));
                row.insert("ended_at", c.at());
            }
        }
        let all = self.tables["holds"].iter().filter(|(key, _)| key[0] == c.id).map(|(_, row)| row);
        let held = sum(all.filter(|row| row["status"].as_deref() == Some("PLACED")), &balance);
        self.row("accounts", &[c.id]).insert("held", Some(held));
    }

    fn transaction(&mut self, c: &Context<'_>) {
        let name = c.event["eventType"].as_str().unwrap();
        match name {
            "LegPosted" => self.leg(c),
            "CaptureRequested" => self.turn(c, "CAPTURING", None, None),
            "VoidRequested" => self.turn(c, "VOIDING", None, None),
            "PaymentAuthorized" => {
                self.turn(c, "AUTHORIZED", None, None);
                let row = self.row("transactions", &[c.id]);
                row.insert("amount", text(&c.data["amount"]));
                row.insert("hold_expires_at", millis(&c.data["expiresAt"]));
            }
            "PaymentVoided" => self.turn(c, "VOIDED", None, text(&c.data["reason"])),
            "PaymentExpired" => self.turn(c, "EXPIRED", None, None),
            "TransactionFailed" => self.turn(c, "FAILED", text(&c.data["errorCode"]), text(&c.data["reason"])),
            "TransactionCompensated" => {
                self.turn(c, "COMPENSATED", text(&c.data["errorCode"]), text(&c.data["reason"]));
            }
            "RefundReserved" => self.refund(c, "RESERVED"),
            "RefundSettled" => self.refund(c, "SETTLED"),
            "RefundReservationReleased" => self.refund(c, "RELEASED"),
            _ if name.ends_with("Completed") => {
                self.turn(c, "COMPLETED", None, None);
                if name == "PaymentCompleted" {
                    self.row("transactions", &[c.id]).insert("captured_amount", text(&c.data["capturedAmount"]));
                }
            }
            _ => self.begin(c, name),
        }
        let row = self.row("transactions", &[c.id]);
        row.insert("version", Some(c.version.to_string()));
        row.insert("updated_at", c.at());
    }

    fn begin(&mut self, c: &Context<'_>, name: &str) {
        let kind = match name {
            "TopupRequested" => "TOPUP",
            "WithdrawalRequested" => "WITHDRAWAL",
            "TransferRequested" => "TRANSFER",
            "PaymentRequested" | "AuthorizationRequested" => "PAYMENT",
            "RefundRequested" => "REFUND",
            other => panic!("{other}"),
        };
        let asked = text(&c.data["amount"]).or_else(|| text(&c.data["refundAmount"]));
        *self.row("transactions", &[c.id]) = Row::from([
            ("transaction_id", Some(c.id.into())),
            ("type", Some(kind.into())),
            ("amount", asked),
            ("currency", text(&c.data["currency"])),
            ("request", c.raw_data()),
            ("parent_id", text(&c.data["originalPaymentId"])),
            ("legs", Some("{}".into())),
            ("captured_amount", None),
            ("refunded_amount", None),
            ("hold_expires_at", None),
            ("partition", Some(c.partition.to_string())),
            ("requested_at", c.at()),
        ]);
        self.turn(c, "REQUESTED", None, None);
        for field in [
            "accountId",
            "sourceAccountId",
            "destinationAccountId",
            "customerAccountId",
            "merchantAccountId",
            "feeAccountId",
        ] {
            if let Some(account) = c.data[field].as_str() {
                self.participant(c, account);
            }
        }
    }

    fn participant(&mut self, c: &Context<'_>, account: &str) {
        let requested_at = self.row("transactions", &[c.id])["requested_at"].clone();
        *self.row("transaction_accounts", &[c.id, account]) = Row::from([
            ("transaction_id", Some(c.id.into())),
            ("account_id", Some(account.into())),
            ("partition", Some(c.partition.to_string())),
            ("requested_at", requested_at),
        ]);
    }

    fn turn(&mut self, c: &Context<'_>, status: &str, error_code: Option<String>, reason: Option<String>) {
        let ended = ["COMPLETED", "VOIDED", "EXPIRED", "FAILED", "COMPENSATED"].contains(&status);
        let row = self.row("transactions", &[c.id]);
        row.insert("status", Some(status.into()));
        row.insert("error_code", error_code);
        row.insert("reason", reason);
        row.insert("ended_at", c.at().filter(|_| ended));
    }

    fn leg(&mut self, c: &Context<'_>) {
        let account = c.data["accountId"].as_str().unwrap().to_owned();
        self.participant(c, &account);
        let moved = c.data["amount"].as_str().unwrap();
        let after = c.data["newBalance"].as_str().unwrap();
        let sign = if c.data["changeType"] == "CREDIT" { -1 } else { 1 };
        let leg = json!({
            "accountId": account, "changeType": c.data["changeType"], "amount": moved,
            "balanceBefore": amount(digits(after) + sign * digits(moved), after), "balanceAfter": after,
            "postedAt": c.event["timestamp"],
        });
        let row = self.row("transactions", &[c.id]);
        if c.data["leg"] == 1 && row["hold_expires_at"].is_none() {
            row.insert("amount", Some(moved.into()));
        }
        let mut legs: Map<String, Value> = serde_json::from_str(row["legs"].as_deref().unwrap()).unwrap();
        legs.insert(c.data["leg"].to_string(), leg);
        row.insert("legs", Some(ordered(Value::Object(legs)).to_string()));
    }

    fn refund(&mut self, c: &Context<'_>, status: &str) {
        let refund_id = c.data["refundId"].as_str().unwrap();
        let like = c.data["amount"].as_str().unwrap();
        *self.row("refunds", &[c.id, refund_id]) = Row::from([
            ("transaction_id", Some(c.id.into())),
            ("refund_id", Some(refund_id.into())),
            ("partition", Some(c.partition.to_string())),
            ("amount", Some(like.into())),
            ("status", Some(status.into())),
        ]);
        let all = self.tables["refunds"].iter().filter(|(key, _)| key[0] == c.id).map(|(_, row)| row);
        let settled = sum(all.filter(|row| row["status"].as_deref() == Some("SETTLED")), like);
        self.row("transactions", &[c.id]).insert("refunded_amount", Some(settled));
    }
}

struct Context<'a> {
    id: &'a str,
    version: u64,
    partition: u32,
    event: &'a Value,
    data: &'a Value,
    raw: &'a str,
}

impl Context<'_> {
    fn at(&self) -> Option<String> {
        millis(&self.event["timestamp"])
    }

    /// `data`, to the letter: it is the last field.
    fn raw_data(&self) -> Option<String> {
        let (_, data) = self.raw.split_once(r#","data":"#)?;
        data.strip_suffix('}').map(str::to_owned)
    }

    /// The last field of `data`, to the letter.
    fn raw_field(&self, name: &str) -> Option<String> {
        self.data.get(name)?;
        let data = self.raw_data()?;
        let (_, value) = data.rsplit_once(&format!(r#","{name}":"#))?;
        value.strip_suffix('}').map(str::to_owned)
    }
}
