//! How far a transaction has come: the fold of its events.

use super::{
    AuthorizedHold, Fee, Kind, LegPosted, Operation, Requested, Reservations, Status, TransactionCommand,
    TransactionEvent,
};
use crate::domain::account::Text;
use crate::domain::ids::{AggregateId, CommandId, Timestamp, Version};
use crate::domain::money::{Amount, Currency};
use crate::domain::{Cause, Recorded, Rejection, Unfit};

/// A transaction, begun or not.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Transaction {
    pub(super) version: Version,
    pub(super) last_at: Timestamp,
    pub(super) begun: Option<Begun>,
}

/// What a transaction has once it is begun.
#[derive(Clone, PartialEq, Debug)]
pub struct Begun {
    /// Whose money it moves.
    pub parties: Parties,
    /// Code of its currency.
    pub currency: Box<str>,
    /// How far it has come.
    pub status: Status,
    /// The commands that were accepted, oldest first; at least the one that began it.
    pub commands: Vec<Accepted>,
    /// The legs that stand, in their order; those too that are being undone. At the end only what a refund asks for is
    /// left of them: the first leg of a payment that has completed.
    pub legs: Vec<LegPosted>,
    /// What was authorized, until it is captured or released. Of a payment that has expired it stays: a capture that
    /// comes too late is judged by it.
    pub hold: Option<AuthorizedHold>,
    /// How much is being captured of it.
    pub capture: Option<Amount>,
    /// Why it is being voided.
    pub void_reason: Option<Text>,
    /// What refunds take of it.
    pub refunds: Reservations,
    /// Why it failed or was undone, for programs.
    pub error_code: Option<Text>,
}

/// A command that took effect.
#[derive(Clone, PartialEq, Debug)]
pub struct Accepted {
    /// What it asked for.
    pub operation: Operation,
    /// The command.
    pub cause: Cause,
    /// Where the transaction stood after it.
    pub version: Version,
}

/// Whose money a transaction moves.
#[derive(Clone, PartialEq, Debug)]
pub enum Parties {
    /// From one account to another.
    Movement {
        /// A topup, a withdrawal or a transfer.
        kind: Kind,
        /// Where it comes from.
        debited: AggregateId,
        /// Where it goes.
        credited: AggregateId,
    },
    /// A payment.
    Payment {
        /// Who pays.
        customer: AggregateId,
        /// Who is paid.
        merchant: AggregateId,
        /// What the house keeps.
        fee: Option<Fee>,
    },
    /// A refund: the payment knows between whom.
    Refund {
        /// The payment's transaction.
        original_payment: AggregateId,
    },
}

/// How far a transaction has come, for whoever sends one of its commands again.
#[derive(Clone, PartialEq, Debug)]
pub struct Progress {
    /// How far.
    pub status: Status,
    /// Why it failed or was undone.
    pub error_code: Option<Text>,
}

const OUT_OF_PLACE: Unfit = Unfit::Contradiction("an event does not follow from how far the transaction has come");

impl Transaction {
    /// The transaction that stands at `version` with what it has: what a snapshot says.
    ///
    /// # Errors
    /// What no sequence of events leads to, as far as it can be told without them.
    pub fn restored(version: Version, last_at: Timestamp, begun: Option<Begun>) -> Result<Self, Unfit> {
        if (version == Version::NONE) != begun.is_none() {
            return Err(Unfit::Contradiction("a transaction has events exactly when it is begun"));
        }
        if begun.as_ref().is_some_and(|begun| begun.commands.last().is_none_or(|last| last.version > version)) {
            return Err(Unfit::Contradiction("a transaction stands before its last command"));
        }
        let numbers = |begun: &Begun| begun.legs.iter().map(|leg| leg.leg).eq((1..).take(begun.legs.len()));
        if begun.as_ref().is_some_and(|begun| !numbers(begun)) {
            return Err(Unfit::Contradiction("the legs of a transaction are not in their order"));
        }
        Ok(Transaction { version, last_at, begun })
    }

    /// What it has, once it is begun.
    pub fn begun(&self) -> Option<&Begun> {
        self.begun.as_ref()
    }

    pub(super) fn take(&mut self, event: &Recorded<TransactionEvent>) -> Result<(), Unfit> {
        if event.version != self.version.next() {
            return Err(Unfit::VersionGap { standing: self.version, found: event.version });
        }
        match (&mut self.begun, &event.body) {
            (None, TransactionEvent::Requested(requested)) => self.begun = Some(Begun::by(event, requested)?),
            (None, _) => return Err(Unfit::Contradiction("the first event of a transaction does not begin it")),
            (Some(begun), body) => begun.take(event, body)?,
        }
        self.begun.iter_mut().for_each(Begun::forget);
        self.version = event.version;
        self.last_at = self.last_at.max(event.at);
        Ok(())
    }
}

impl Begun {
    /// What kind of transaction it is.
    pub fn kind(&self) -> Kind {
        match &self.parties {
            Parties::Movement { kind, .. } => *kind,
            Parties::Payment { .. } => Kind::Payment,
            Parties::Refund { .. } => Kind::Refund,
        }
    }

    /// What its customer has paid; `None` before, and for everything but a payment.
    pub fn captured(&self) -> Option<Amount> {
        self.legs.first().filter(|_| self.kind() == Kind::Payment).map(|leg| leg.amount)
    }

    /// Its currency, with the decimals of one of its amounts, whatever is configured now.
    pub(super) fn currency_of(&self, amount: Amount) -> Result<Currency, Rejection> {
        let decimals = u8::try_from(amount.decimals()).ok();
        decimals.and_then(|decimals| Currency::new(&self.currency, decimals)).ok_or(Rejection::InvalidCurrency)
    }

    /// The command that is under way, or was last.
    pub(super) fn last_operation(&self) -> Option<Operation> {
        self.commands.last().map(|command| command.operation)
    }

    pub(super) fn command(&self, id: &CommandId) -> Option<&Accepted> {
        self.commands.iter().find(|command| command.cause.command_id == *id)
    }

    fn by(event: &Recorded<TransactionEvent>, requested: &Requested) -> Result<Self, Unfit> {
        let (parties, currency) = begins(&requested.command)?;
        let operation = requested.command.operation();
        Ok(Begun {
            parties,
            currency,
            status: Status::Requested,
            commands: vec![Accepted { operation, cause: event.cause(), version: event.version }],
            legs: Vec::new(),
            hold: None,
            capture: None,
            void_reason: None,
            refunds: Reservations::default(),
            error_code: None,
        })
    }

    fn take(&mut self, event: &Recorded<TransactionEvent>, body: &TransactionEvent) -> Result<(), Unfit> {
        match body {
            TransactionEvent::Requested(requested) => self.go_on(event, requested),
            TransactionEvent::LegPosted(posted) => {
                self.check(self.awaited_leg() == Some(posted.leg))?;
                self.legs.push(posted.clone());
                Ok(())
            }
            TransactionEvent::TopupCompleted(_) => self.complete(Kind::Topup),
            TransactionEvent::WithdrawalCompleted(_) => self.complete(Kind::Withdrawal),
            TransactionEvent::TransferCompleted(_) => self.complete(Kind::Transfer),
            TransactionEvent::PaymentCompleted(_) => self.complete(Kind::Payment),
            TransactionEvent::RefundCompleted(_) => self.complete(Kind::Refund),
            TransactionEvent::PaymentAuthorized(hold) => {
                self.check(self.is_authorizing())?;
                self.hold = Some(hold.clone());
                self.status = Status::Authorized;
                Ok(())
            }
            TransactionEvent::PaymentVoided(_) => self.pass(Status::Voiding, Status::Voided),
            TransactionEvent::PaymentExpired { .. } => self.pass(Status::Authorized, Status::Expired),
            TransactionEvent::RefundReserved(reserved) => self.completed_payment()?.reserve(reserved),
            TransactionEvent::RefundSettled(reserved) => self.completed_payment()?.settle(reserved),
            TransactionEvent::RefundReservationReleased(reserved) => self.completed_payment()?.release(reserved),
            TransactionEvent::Failed(failed) => self.end(Status::Failed, self.legs.is_empty(), &failed.reason.code),
            TransactionEvent::Compensated(compensated) => {
                self.end(Status::Compensated, !self.legs.is_empty(), &compensated.reason.code)
            }
        }
    }

    /// Lets go of what nobody asks for once it has ended: there are many more that have than others.
    fn forget(&mut self) {
        if !self.status.has_ended() {
            return;
        }
        let is_refundable = self.status == Status::Completed && self.kind() == Kind::Payment;
        self.legs.truncate(usize::from(is_refundable));
        self.legs.shrink_to_fit();
        self.hold = self.hold.take().filter(|_| self.status == Status::Expired);
        self.capture = None;
        self.void_reason = None;
    }

    fn check(&self, follows: bool) -> Result<(), Unfit> {
        if follows { Ok(()) } else { Err(OUT_OF_PLACE) }
    }

    fn go_on(&mut self, event: &Recorded<TransactionEvent>, requested: &Requested) -> Result<(), Unfit> {
        let hold = self.hold.as_ref().filter(|_| self.status == Status::Authorized).ok_or(OUT_OF_PLACE)?;
        match &requested.command {
            TransactionCommand::Capture(capture) => {
                let currency = self.currency_of(hold.amount).map_err(|_| OUT_OF_PLACE)?;
                let wanted = capture.amount.as_ref().map(|amount| amount.value.positive(&currency)).transpose();
                self.capture = Some(wanted.map_err(|_| OUT_OF_PLACE)?.unwrap_or(hold.amount));
                self.status = Status::Capturing;
            }
            TransactionCommand::Void(void) => {
                self.void_reason = void.reason.clone();
                self.status = Status::Voiding;
            }
            TransactionCommand::Topup(_)
            | TransactionCommand::Withdrawal(_)
            | TransactionCommand::Transfer(_)
            | TransactionCommand::Payment(_)
            | TransactionCommand::Refund(_)
            | TransactionCommand::Authorize(_) => return Err(OUT_OF_PLACE),
        }
        let operation = requested.command.operation();
        self.commands.push(Accepted { operation, cause: event.cause(), version: event.version });
        Ok(())
    }

    fn complete(&mut self, kind: Kind) -> Result<(), Unfit> {
        self.check(self.kind() == kind && self.is_moving() && self.awaited_leg().is_none())?;
        self.status = Status::Completed;
        Ok(())
    }

    fn pass(&mut self, from: Status, to: Status) -> Result<(), Unfit> {
        self.check(self.status == from)?;
        self.status = to;
        Ok(())
    }

    fn end(&mut self, status: Status, follows: bool, code: &Text) -> Result<(), Unfit> {
        self.check(follows && (self.is_moving() || self.is_authorizing()))?;
        self.status = status;
        self.error_code = Some(code.clone());
        Ok(())
    }

    fn completed_payment(&mut self) -> Result<&mut Reservations, Unfit> {
        self.check(self.kind() == Kind::Payment && self.status == Status::Completed)?;
        Ok(&mut self.refunds)
    }
}

fn begins(command: &TransactionCommand) -> Result<(Parties, Box<str>), Unfit> {
    match command {
        TransactionCommand::Topup(movement)
        | TransactionCommand::Withdrawal(movement)
        | TransactionCommand::Transfer(movement) => {
            let (debited, credited) = (movement.debited.clone(), movement.credited.clone());
            let kind = command.operation().kind();
            Ok((Parties::Movement { kind, debited, credited }, movement.currency.clone()))
        }
        TransactionCommand::Payment(payment) => Ok((Parties::from(payment), payment.currency.clone())),
        TransactionCommand::Authorize(authorization) => {
            Ok((Parties::from(&authorization.payment), authorization.payment.currency.clone()))
        }
        TransactionCommand::Refund(refund) => {
            Ok((Parties::Refund { original_payment: refund.original_payment.clone() }, refund.currency.clone()))
        }
        TransactionCommand::Capture(_) | TransactionCommand::Void(_) => {
            Err(Unfit::Contradiction("a transaction begins with what only goes on with one"))
        }
    }
}

impl Parties {
    /// Between whom a command wants to move money; `None` when it goes on with a transaction that knows.
    pub fn of(command: &TransactionCommand) -> Option<Self> {
        begins(command).ok().map(|(parties, _)| parties)
    }
}

impl From<&super::Payment> for Parties {
    fn from(payment: &super::Payment) -> Self {
        let (customer, merchant) = (payment.customer.clone(), payment.merchant.clone());
        Parties::Payment { customer, merchant, fee: payment.fee.clone() }
    }
}
