//! Transactions in snapshots.
//!
//! The order of the fields and of the parties is the format: whatever changes here needs a new number for it.

use serde::{Deserialize, Serialize};

use crate::domain::Aggregate;
use crate::domain::account::ChangeType;
use crate::domain::ids::{Timestamp, Version};
use crate::domain::money::{AsSent, RequestedAmount};
use crate::domain::transaction::{
    Accepted, AuthorizedHold, Begun, Fee, Kind, LegPosted, Operation, Parties, Reservations, Reserved, Status,
    Transaction,
};
use crate::wire::image::{AmountImage, CauseImage, aggregate_id};
use crate::wire::snapshot::{self, Error, damaged};

pub(super) const FORMAT: u16 = 1;

#[derive(Serialize, Deserialize)]
struct TransactionImage<'a> {
    version: u64,
    last_at: i64,
    #[serde(borrow)]
    begun: Option<BegunImage<'a>>,
}

#[derive(Serialize, Deserialize)]
struct BegunImage<'a> {
    #[serde(borrow)]
    parties: PartiesImage<'a>,
    currency: &'a str,
    status: &'a str,
    #[serde(borrow)]
    commands: Vec<AcceptedImage<'a>>,
    #[serde(borrow)]
    legs: Vec<LegImage<'a>>,
    #[serde(borrow)]
    hold: Option<HoldImage<'a>>,
    capture: Option<AmountImage>,
    void_reason: Option<&'a str>,
    #[serde(borrow)]
    reserved: Vec<ReservedImage<'a>>,
    settled: Option<AmountImage>,
    error_code: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
enum PartiesImage<'a> {
    Movement {
        kind: &'a str,
        debited: &'a str,
        credited: &'a str,
    },
    Payment {
        customer: &'a str,
        merchant: &'a str,
        #[serde(borrow)]
        fee: Option<FeeImage<'a>>,
    },
    Refund {
        original_payment: &'a str,
    },
}

#[derive(Serialize, Deserialize)]
struct FeeImage<'a> {
    account: &'a str,
    /// As it was sent, which is how its account will be asked for it.
    amount: &'a str,
}

#[derive(Serialize, Deserialize)]
struct AcceptedImage<'a> {
    operation: &'a str,
    #[serde(borrow)]
    cause: CauseImage<'a>,
    version: u64,
}

/// Legs are numbered by their place.
#[derive(Serialize, Deserialize)]
struct LegImage<'a> {
    account_id: &'a str,
    change_type: &'a str,
    amount: AmountImage,
    new_balance: AmountImage,
}

#[derive(Serialize, Deserialize)]
struct HoldImage<'a> {
    hold_id: &'a str,
    amount: AmountImage,
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
struct ReservedImage<'a> {
    refund_id: &'a str,
    amount: AmountImage,
}

pub(super) fn write(transaction: &Transaction, out: &mut Vec<u8>) {
    let image = TransactionImage {
        version: transaction.version().0,
        last_at: transaction.last_at().0,
        begun: transaction.begun().map(image_of),
    };
    snapshot::write(out, &image);
}

fn image_of(begun: &Begun) -> BegunImage<'_> {
    BegunImage {
        parties: parties_image_of(&begun.parties),
        currency: &begun.currency,
        status: begun.status.as_str(),
        commands: begun.commands.iter().map(accepted_image_of).collect(),
        legs: begun.legs.iter().map(leg_image_of).collect(),
        hold: begun.hold.as_ref().map(|hold| HoldImage {
            hold_id: hold.hold_id.as_str(),
            amount: hold.amount.into(),
            expires_at: hold.expires_at.0,
        }),
        capture: begun.capture.map(AmountImage::from),
        void_reason: begun.void_reason.as_deref(),
        reserved: begun.refunds.open().iter().map(reserved_image_of).collect(),
        settled: begun.refunds.settled().map(AmountImage::from),
        error_code: begun.error_code.as_deref(),
    }
}

fn parties_image_of(parties: &Parties) -> PartiesImage<'_> {
    match parties {
        Parties::Movement { kind, debited, credited } => {
            PartiesImage::Movement { kind: kind.as_str(), debited: debited.as_str(), credited: credited.as_str() }
        }
        Parties::Payment { customer, merchant, fee } => PartiesImage::Payment {
            customer: customer.as_str(),
            merchant: merchant.as_str(),
            fee: fee.as_ref().map(|fee| FeeImage { account: fee.account.as_str(), amount: &fee.amount.text }),
        },
        Parties::Refund { original_payment } => PartiesImage::Refund { original_payment: original_payment.as_str() },
    }
}

fn accepted_image_of(accepted: &Accepted) -> AcceptedImage<'_> {
    AcceptedImage {
        operation: accepted.operation.as_str(),
        cause: CauseImage::from(&accepted.cause),
        version: accepted.version.0,
    }
}

fn leg_image_of(posted: &LegPosted) -> LegImage<'_> {
    LegImage {
        account_id: posted.account_id.as_str(),
        change_type: posted.change_type.as_str(),
        amount: posted.amount.into(),
        new_balance: posted.new_balance.into(),
    }
}

fn reserved_image_of(reserved: &Reserved) -> ReservedImage<'_> {
    ReservedImage { refund_id: reserved.refund_id.as_str(), amount: reserved.amount.into() }
}

pub(super) fn read(bytes: &[u8]) -> Result<Transaction, Error> {
    let TransactionImage { version, last_at, begun } = snapshot::read(bytes)?;
    let begun = begun.map(begun_of).transpose()?;
    Transaction::restored(Version(version), Timestamp(last_at), begun).map_err(damaged)
}

fn begun_of(image: BegunImage<'_>) -> Result<Begun, Error> {
    let reserved = image.reserved.into_iter().map(reserved_of).collect::<Result<Vec<_>, _>>()?;
    let settled = image.settled.map(AmountImage::read).transpose()?;
    Ok(Begun {
        parties: parties_of(image.parties)?,
        currency: image.currency.into(),
        status: Status::parse(image.status).ok_or_else(|| damaged("no status of a transaction"))?,
        commands: image.commands.into_iter().map(accepted_of).collect::<Result<_, _>>()?,
        legs: (1..).zip(image.legs).map(|(leg, image)| leg_of(leg, image)).collect::<Result<_, _>>()?,
        hold: image.hold.map(hold_of).transpose()?,
        capture: image.capture.map(AmountImage::read).transpose()?,
        void_reason: image.void_reason.map(Into::into),
        refunds: Reservations::restored(reserved, settled).map_err(damaged)?,
        error_code: image.error_code.map(Into::into),
    })
}

fn parties_of(image: PartiesImage<'_>) -> Result<Parties, Error> {
    Ok(match image {
        PartiesImage::Movement { kind, debited, credited } => Parties::Movement {
            kind: Kind::parse(kind).ok_or_else(|| damaged("no kind of a transaction"))?,
            debited: aggregate_id(debited)?,
            credited: aggregate_id(credited)?,
        },
        PartiesImage::Payment { customer, merchant, fee } => Parties::Payment {
            customer: aggregate_id(customer)?,
            merchant: aggregate_id(merchant)?,
            fee: fee.map(fee_of).transpose()?,
        },
        PartiesImage::Refund { original_payment } => {
            Parties::Refund { original_payment: aggregate_id(original_payment)? }
        }
    })
}

fn fee_of(image: FeeImage<'_>) -> Result<Fee, Error> {
    let value = RequestedAmount::parse(image.amount).map_err(damaged)?;
    Ok(Fee { account: aggregate_id(image.account)?, amount: AsSent { text: image.amount.into(), value } })
}

fn accepted_of(image: AcceptedImage<'_>) -> Result<Accepted, Error> {
    Ok(Accepted {
        operation: Operation::parse(image.operation).ok_or_else(|| damaged("no command to a transaction"))?,
        cause: image.cause.read()?,
        version: Version(image.version),
    })
}

fn leg_of(leg: usize, image: LegImage<'_>) -> Result<LegPosted, Error> {
    Ok(LegPosted {
        leg: u8::try_from(leg).map_err(damaged)?,
        account_id: aggregate_id(image.account_id)?,
        change_type: ChangeType::parse(image.change_type).ok_or_else(|| damaged("no direction of a posting"))?,
        amount: image.amount.read()?,
        new_balance: image.new_balance.read()?,
    })
}

fn hold_of(image: HoldImage<'_>) -> Result<AuthorizedHold, Error> {
    Ok(AuthorizedHold {
        hold_id: aggregate_id(image.hold_id)?,
        amount: image.amount.read()?,
        expires_at: Timestamp(image.expires_at),
    })
}

fn reserved_of(image: ReservedImage<'_>) -> Result<Reserved, Error> {
    Ok(Reserved { refund_id: aggregate_id(image.refund_id)?, amount: image.amount.read()? })
}
