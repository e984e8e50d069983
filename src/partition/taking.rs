//! What a round takes: those whose time has come, and what waits in both lanes, as far as there is room.

use actix::Context;

use super::desk::{Asked, Task};
use super::lifecycle::{End, Stage};
use super::round::ROUND_RECORDS;
use super::supervisor::Supervisor;
use crate::log::{Lane, PerLane};
use crate::wire::message::Mail;

impl<A: Mail> Supervisor<A> {
    /// Takes what waits, as far as the batch has room, and lets the actors decide. False when there is nothing.
    pub(super) fn start_round(&mut self, context: &mut Context<Self>) -> Result<bool, End> {
        if self.is_crowded() {
            return Ok(false);
        }
        let Some(stock) = &mut self.stock else { return Ok(false) };
        self.admission.look(stock.waits(Lane::Commands));
        let mut portions = Vec::new();
        let bound = self.suspicion.bound(self.batch.start()).unwrap_or(self.settings.batch_records);
        let round_end = (self.batch.records() + ROUND_RECORDS).min(bound);
        let mut bytes = self.desk.round.borrow().drafts.size();
        let mut admitted = self.admission.room();
        while bytes < self.settings.batch_bytes && self.batch.records() < round_end {
            let inbox = round_end - self.batch.records();
            let Some(portion) = stock.take(PerLane { commands: inbox.min(admitted), inbox })? else { break };
            if portion.lane == Lane::Commands {
                admitted -= portion.len();
            }
            self.batch.take(&portion);
            bytes += portion.bytes();
            if portion.len() > 0 {
                portions.push(portion);
            }
        }
        if portions.is_empty() && self.overdue.is_empty() {
            return Ok(false);
        }
        let (groups, unknown) = self.lay_out(portions)?;
        self.look_up(&unknown, groups, context);
        Ok(true)
    }

    /// Looks for those whose time has come, once those of the last look are asked.
    pub(super) fn sweep(&mut self) {
        if self.stage == Stage::Running && self.overdue.is_empty() {
            self.overdue = self.agenda.due((self.settings.clock)()).cloned().collect();
        }
    }

    /// Those of them that are asked in this round.
    pub(super) fn take_overdue(&mut self) -> Vec<Task<A>> {
        let some = self.overdue.len().min(ROUND_RECORDS);
        let asked = |id| Task { place: None, sent_at: 0, asked: Some(Asked::WhatIsOver(id)), outcome: None };
        self.overdue.drain(..some).map(asked).collect()
    }
}
