//! What the recorder tells, read back: it gives its metrics as text only, and this is where they become data again.
//!
//! Families stand apart by an empty line. Each has its `# HELP`, if it was described, its `# TYPE`, and a line per sample.

/// The samples of one metric.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct Family<'a> {
    /// Its name, with the `_total` of a counter.
    pub(crate) name: &'a str,
    /// What it tells; backslashes and line ends in it are escaped.
    pub(crate) help: &'a str,
    /// `counter`, `gauge` or `histogram`.
    pub(crate) kind: &'a str,
    /// In the order in which they are told: those of one histogram follow each other.
    pub(crate) samples: Vec<Sample<'a>>,
}

/// One value.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Sample<'a> {
    /// Name and labels, as they are told: `name{label="value"}`.
    pub(crate) series: &'a str,
    /// A number, as it is told.
    pub(crate) value: &'a str,
}

impl<'a> Sample<'a> {
    /// The name without its labels.
    pub(crate) fn name(&self) -> &'a str {
        self.series.split_once('{').map_or(self.series, |(name, _)| name)
    }

    /// The labels, without what escapes their values.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&'a str, String)> {
        let mut rest = self.series.split_once('{').map_or("", |(_, labels)| labels);
        std::iter::from_fn(move || {
            let (name, value, after) = label(rest)?;
            rest = after;
            Some((name, value))
        })
    }
}

/// Every family in `text`.
pub(crate) fn families(text: &str) -> impl Iterator<Item = Family<'_>> {
    text.split("\n\n").filter_map(family)
}

fn family(lines: &str) -> Option<Family<'_>> {
    let mut family = Family::default();
    for line in lines.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family.help = help.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            (family.name, family.kind) = kind.split_once(' ')?;
        } else if let Some((series, value)) = line.rsplit_once(' ') {
            family.samples.push(Sample { series, value });
        }
    }
    (!family.name.is_empty()).then_some(family)
}

/// The first label of a list, and what comes behind it.
fn label(list: &str) -> Option<(&str, String, &str)> {
    let (name, quoted) = list.split_once("=\"")?;
    let (mut value, mut letters) = (String::new(), quoted.chars());
    loop {
        match letters.next()? {
            '"' => break,
            '\\' => match letters.next()? {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    let rest = letters.as_str();
    Some((name, value, rest.strip_prefix(',').unwrap_or(rest)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a recorder tells of a counter, a gauge and a histogram.
    pub(crate) const TOLD: &str = "# HELP c_events_total Events, \"all\" of them.\n# TYPE c_events_total counter\n\
        c_events_total{map=\"a\"} 3\nc_events_total{map=\"b \\\"c\\\", \\\\d\\ne\"} 0\n\n\
        # TYPE g gauge\ng NaN\n\n\
        # HELP h_seconds Lag.\n# TYPE h_seconds histogram\n\
        h_seconds_bucket{map=\"a\",le=\"0.5\"} 1\nh_seconds_bucket{map=\"a\",le=\"1\"} 3\n\
        h_seconds_bucket{map=\"a\",le=\"+Inf\"} 4\nh_seconds_sum{map=\"a\"} 4.5\nh_seconds_count{map=\"a\"} 4\n\
        h_seconds_bucket{map=\"b\",le=\"+Inf\"} 0\nh_seconds_sum{map=\"b\"} 0\nh_seconds_count{map=\"b\"} 0\n\n";

    #[test]
    fn families_have_their_kind_their_help_and_their_samples() {
        let families: Vec<_> = families(TOLD).collect();
        let heads: Vec<_> = families.iter().map(|it| (it.name, it.kind, it.help, it.samples.len())).collect();
        assert_eq!(
            heads,
            [
                ("c_events_total", "counter", "Events, \"all\" of them.", 2),
                ("g", "gauge", "", 1),
                ("h_seconds", "histogram", "Lag.", 8)
            ]
        );
        assert_eq!(families[1].samples, [Sample { series: "g", value: "NaN" }]);
    }

    #[test]
    fn labels_are_what_they_were_before_they_were_escaped() {
        for (series, name, labels) in [
            ("g", "g", &[][..]),
            ("a{map=\"x\"}", "a", &[("map", "x")]),
            ("a{x=\"1\",y=\"2\"}", "a", &[("x", "1"), ("y", "2")]),
            ("a{x=\"b \\\"c\\\", \\\\d\\ne=\\\"\",y=\"\"}", "a", &[("x", "b \"c\", \\d\ne=\""), ("y", "")]),
        ] {
            let sample = Sample { series, value: "0" };
            let expected: Vec<_> = labels.iter().map(|&(name, value)| (name, value.to_owned())).collect();
            assert_eq!((sample.name(), sample.labels().collect::<Vec<_>>()), (name, expected), "{series}");
        }
    }
}
