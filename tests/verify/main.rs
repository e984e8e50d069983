//! `billing-engine verify` beside a log and a read store of its own: what is as the log says is found to be, and
//! whatever is not is named.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends where it stands")]

mod clean;
mod damage;
#[allow(dead_code, reason = "each test target uses the part it needs")]
#[path = "../projection/events.rs"]
mod events;
mod histories;
mod money;
mod running;
mod stage;
#[path = "../properties/sagas/story.rs"]
mod story;
#[path = "../support/mod.rs"]
mod support;
mod tale;
mod uncommitted;
mod waiting;
#[path = "../properties/sagas/world.rs"]
mod world;
