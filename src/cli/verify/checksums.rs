//! Two sets of rows compared without keeping either.
//!
//! Every row falls into one of many buckets by its key, and has a digest. What the log says is added to the sum of the
//! bucket, what the store holds is taken from it: where the sum is zero in the end, both hold the same rows, in
//! whatever order they came. Only where it is not are the rows looked at one by one, in a second pass.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use sha2::{Digest, Sha256};

use super::finding::Difference;
use crate::projection::audit::{Row, Table};

/// One in so many rows is looked at again for every row that differs.
const BUCKETS: usize = 1 << 16;

/// Rows that are kept at once, at about a kilobyte each.
const ROWS_AT_ONCE: u64 = 1 << 20;

/// The sums of all buckets.
pub struct Checksums {
    sums: Vec<u128>,
    expected: BTreeMap<Table, u64>,
    found: u64,
}

impl Checksums {
    /// Nothing on either side.
    pub fn new() -> Self {
        Checksums { sums: vec![0; BUCKETS], expected: BTreeMap::new(), found: 0 }
    }

    /// The log says this row.
    pub fn expect(&mut self, row: &Row) {
        *self.expected.entry(row.table).or_default() += 1;
        let sum = &mut self.sums[bucket(row)];
        *sum = sum.wrapping_add(digest(row));
    }

    /// The store holds this row.
    pub fn find(&mut self, row: &Row) {
        self.found += 1;
        let sum = &mut self.sums[bucket(row)];
        *sum = sum.wrapping_sub(digest(row));
    }

    /// How many rows the log says there are, of each table that has any.
    pub fn expected(&self) -> &BTreeMap<Table, u64> {
        &self.expected
    }

    /// The buckets in which the two differ, in groups whose rows can be kept in memory.
    pub fn suspects(&self) -> Vec<BTreeSet<usize>> {
        let different: Vec<usize> = (0..BUCKETS).filter(|bucket| self.sums[*bucket] != 0).collect();
        let rows_a_bucket = self.expected.values().sum::<u64>().max(self.found) / BUCKETS as u64 + 1;
        let at_once = (ROWS_AT_ONCE / rows_a_bucket).max(1) as usize;
        different.chunks(at_once).map(|group| group.iter().copied().collect()).collect()
    }
}

/// The rows of some buckets, one by one.
pub struct Closeup {
    buckets: BTreeSet<usize>,
    /// What the log says and the store was not yet seen to hold.
    expected: BTreeMap<(Table, Vec<Option<String>>), Row>,
    differences: Vec<Difference>,
}

impl Closeup {
    /// Of these buckets.
    pub fn of(buckets: BTreeSet<usize>) -> Self {
        Closeup { buckets, expected: BTreeMap::new(), differences: Vec::new() }
    }

    /// The log says this row; of two with one key, the later.
    pub fn expect(&mut self, row: Row) {
        if self.buckets.contains(&bucket(&row)) {
            self.expected.insert((row.table, row.key().to_vec()), row);
        }
    }

    /// The store holds this row. Comes after all that the log says.
    pub fn find(&mut self, row: Row) {
        if !self.buckets.contains(&bucket(&row)) {
            return;
        }
        let Some(expected) = self.expected.remove(&(row.table, row.key().to_vec())) else {
            return self.differences.push(Difference::surplus(&row));
        };
        let columns = expected.values.into_iter().zip(&row.values).enumerate();
        let different = columns.filter(|(_, (expected, found))| expected != *found);
        let differences =
            different.map(|(place, (expected, found))| Difference::of_column(&row, place, expected, found.clone()));
        self.differences.extend(differences);
    }

    /// Everything that is different.
    pub fn finish(self) -> Vec<Difference> {
        let mut differences = self.differences;
        differences.extend(self.expected.values().map(Difference::missing));
        differences
    }
}

fn bucket(row: &Row) -> usize {
    let hash = FixedState::with_seed(0).hash_one((row.table, row.key()));
    (hash % BUCKETS as u64) as usize
}

/// Tells a row from every other, down to where one value ends and the next begins.
fn digest(row: &Row) -> u128 {
    let mut digest = Sha256::new();
    digest.update([row.table as u8]);
    for value in &row.values {
        // No value is as long as the length that stands for null.
        let length = value.as_ref().map_or(u64::MAX, |value| value.len() as u64);
        digest.update(length.to_le_bytes());
        digest.update(value.as_deref().unwrap_or_default());
    }
    let bytes: [u8; 32] = digest.finalize().into();
    bytes.first_chunk().map_or(0, |half| u128::from_le_bytes(*half))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: [Option<&str>; 5]) -> Row {
        Row { table: Table::Refunds, values: values.map(|value| value.map(str::to_owned)).to_vec() }
    }

    const ROW: [Option<&str>; 5] = [Some("tx"), Some("refund"), Some("0"), Some("1.00"), None];

    #[test]
    fn rows_differ_in_any_value_and_in_where_one_ends() {
        let others = [
            [Some("txr"), Some("efund"), Some("0"), Some("1.00"), None],
            [Some("tx"), Some("refund"), Some("0"), None, Some("1.00")],
            [Some("tx"), Some("refund"), Some("0"), Some("1.00"), Some("")],
            [Some("tx"), Some("refund"), Some("0"), Some("1.0"), None],
        ];
        for other in others {
            assert_ne!(digest(&row(ROW)), digest(&row(other)), "{other:?}");
        }
    }

    #[test]
    fn the_order_of_rows_does_not_count_and_each_row_does() {
        let rows: Vec<Row> = (0..1_000)
            .map(|number| Row { table: Table::Currencies, values: vec![Some(number.to_string()), None] })
            .collect();
        let mut sums = Checksums::new();
        rows.iter().for_each(|row| sums.expect(row));
        rows.iter().rev().for_each(|row| sums.find(row));
        assert_eq!((sums.expected()[&Table::Currencies], sums.suspects().len()), (1_000, 0));
        sums.find(&rows[7]);
        assert_eq!(sums.suspects(), [BTreeSet::from([bucket(&rows[7])])], "it is there twice");
    }

    #[test]
    fn a_close_look_names_what_differs_what_is_missing_and_what_is_too_much() {
        let found = |expected: &[[Option<&str>; 5]], found: &[[Option<&str>; 5]]| {
            let mut closeup = Closeup::of((0..BUCKETS).collect());
            expected.iter().for_each(|values| closeup.expect(row(*values)));
            found.iter().for_each(|values| closeup.find(row(*values)));
            let told = |d: Difference| format!("{} {} {} {:?} {:?}", d.kind, d.id, d.field, d.expected, d.found);
            closeup.finish().into_iter().map(told).collect::<Vec<_>>()
        };
        let mut damaged = ROW;
        damaged[3] = Some("2.00");
        assert_eq!(found(&[ROW], &[ROW]), Vec::<String>::new());
        assert_eq!(found(&[ROW], &[damaged]), [r#"refund tx/refund amount Some("1.00") Some("2.00")"#]);
        assert_eq!(found(&[ROW], &[]), [r#"refund tx/refund row Some("a row") Some("no row")"#]);
        assert_eq!(found(&[], &[ROW]), [r#"refund tx/refund row Some("no row") Some("a row")"#]);
    }
}
