//! One exposition out of those of several recorders: Prometheus wants all series of a metric under one header.

use std::collections::BTreeMap;

/// Puts the series of each metric together, in the order of the names.
///
/// A recorder writes a metric as two lines of header (`# HELP`, `# TYPE`), its series and an empty line; the same
/// metric has the same header in all of them.
pub fn merge(expositions: &[String]) -> String {
    let mut metrics: BTreeMap<&str, String> = BTreeMap::new();
    let blocks = expositions.iter().flat_map(|text| text.split_terminator("\n\n"));
    for (header, series) in blocks.filter_map(split_header) {
        let all = metrics.entry(header).or_default();
        all.push_str(series);
        all.push('\n');
    }
    metrics.into_iter().map(|(header, series)| typed_by_name(header) + &series).collect()
}

fn split_header(block: &str) -> Option<(&str, &str)> {
    let (end, _) = block.match_indices('\n').nth(1)?;
    Some(block.split_at(end + 1))
}

/// A total is a counter, although a gauge holds it where it is no whole number.
fn typed_by_name(header: &str) -> String {
    header.strip_suffix("_total gauge\n").map_or_else(|| header.to_owned(), |rest| format!("{rest}_total counter\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_of_one_metric_stand_under_one_header() {
        let first = "# HELP b B.\n# TYPE b gauge\nb{p=\"0\"} 1\n\n# HELP a A.\n# TYPE a counter\na 2\n\n";
        let second = "# HELP b B.\n# TYPE b gauge\nb{p=\"1\"} 3\nb{p=\"2\"} 4\n\n";
        let expected = "# HELP a A.\n# TYPE a counter\na 2\n\
            # HELP b B.\n# TYPE b gauge\nb{p=\"0\"} 1\nb{p=\"1\"} 3\nb{p=\"2\"} 4\n";
        assert_eq!(merge(&[first.to_owned(), second.to_owned()]), expected);
        assert_eq!(merge(&[String::new()]), "");
    }

    #[test]
    fn a_total_is_a_counter_whatever_holds_it() {
        let text =
            "# HELP waited_seconds_total Waited.\n# TYPE waited_seconds_total gauge\nwaited_seconds_total 0.5\n\n";
        assert!(merge(&[text.to_owned()]).contains("# TYPE waited_seconds_total counter\n"));
    }
}
