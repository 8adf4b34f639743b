//! How many series of metrics the processes tell.

use crate::{Harness, http};

impl Harness {
    /// The series that the sidecar tells.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    #[must_use]
    pub fn sidecar_series(&self) -> Vec<String> {
        series_at(self.setup().admin)
    }

    /// The series that the comparator tells.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    #[must_use]
    pub fn comparator_series(&self) -> Vec<String> {
        series_at(self.http())
    }
}

fn series_at(port: u16) -> Vec<String> {
    let (status, text) = http::get(port, "/metrics").expect("/metrics answers");
    assert_eq!(status, 200, "/metrics: {text}");
    series(&text)
}

/// Names and labels, without values and comments.
fn series(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_the_lines_that_have_a_value() {
        assert_eq!(
            series("# TYPE a counter\na{b=\"c d\"} 1\n\na{b=\"e\"} 2\n"),
            ["a{b=\"c d\"}", "a{b=\"e\"}"]
        );
    }
}
