//! One directory, no broker.
