//! One partition, from assignment to revocation.

pub mod guard;
pub mod lifecycle;
pub mod placement;
pub mod poison;
mod stock;
