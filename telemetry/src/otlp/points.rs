//! The recorder's metrics as OTLP has them. Names stay those of the catalogue, so that whoever looks for a metric finds it under one
//! name whichever way it came.

use crate::exemplars::{Exemplar, Exemplars};
use crate::exposition::{Family, Sample, families};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    self as wire, AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
    exemplar, number_data_point,
};
use opentelemetry_proto::transform::common::tonic::Attributes;

/// What values are about: all since the start of the process until now. Wall-clock time, nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Period {
    pub(super) started_unix_ns: u64,
    pub(super) now_unix_ns: u64,
}

/// Every metric of what the recorder tells as `told`.
pub(super) fn metrics(told: &str, exemplars: &Exemplars, period: Period) -> Vec<Metric> {
    families(told).filter_map(|family| metric(&family, exemplars, period)).collect()
}

/// How many values a metric has.
pub(super) fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(_) | Data::Summary(_)) | None => 0,
    }
}

fn metric(family: &Family<'_>, exemplars: &Exemplars, period: Period) -> Option<Metric> {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let numbers = || family.samples.iter().filter_map(|sample| number(sample, exemplars, period)).collect();
    let data = match family.kind {
        "counter" => Data::Sum(Sum { data_points: numbers(), aggregation_temporality, is_monotonic: true }),
        "gauge" => Data::Gauge(Gauge { data_points: numbers() }),
        "histogram" => {
            let data_points = histograms(&family.samples, period);
            Data::Histogram(Histogram { data_points, aggregation_temporality })
        }
        _ => return None,
    };
    Some(Metric {
        name: family.name.to_owned(),
        description: family.help.to_owned(),
        unit: unit(family.name).to_owned(),
        data: Some(data),
        ..Default::default()
    })
}

/// The unit in the UCUM's words. Others than these two are counts of something, which has no unit there.
fn unit(name: &str) -> &'static str {
    match name.trim_end_matches("_total").rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "",
    }
}

/// A value; `None` for what is no number, which stands for none known.
fn number(sample: &Sample<'_>, exemplars: &Exemplars, period: Period) -> Option<NumberDataPoint> {
    let value = match sample.value.parse::<i64>() {
        Ok(whole) => number_data_point::Value::AsInt(whole),
        Err(_) => {
            number_data_point::Value::AsDouble(sample.value.parse().ok().filter(|it: &f64| !it.is_nan())?)
        }
    };
    Some(NumberDataPoint {
        attributes: attributes(sample),
        start_time_unix_nano: period.started_unix_ns,
        time_unix_nano: period.now_unix_ns,
        exemplars: exemplars.get(sample.series).copied().map(wire_exemplar).into_iter().collect(),
        value: Some(value),
        ..Default::default()
    })
}

fn wire_exemplar(exemplar: Exemplar) -> wire::Exemplar {
    wire::Exemplar {
        time_unix_nano: u64::try_from(exemplar.at_unix_ns).unwrap_or_default(),
        trace_id: exemplar.trace_id.to_vec(),
        value: Some(exemplar::Value::AsInt(1)),
        ..Default::default()
    }
}

fn attributes(sample: &Sample<'_>) -> Vec<KeyValue> {
    let labels = sample.labels().filter(|(name, _)| *name != "le");
    Attributes::from(labels.map(|(name, value)| opentelemetry::KeyValue::new(name.to_owned(), value))).0
}

/// The histograms that samples tell: of each its buckets, its sum, and its count at last.
fn histograms(samples: &[Sample<'_>], period: Period) -> Vec<HistogramDataPoint> {
    let (mut done, mut point, mut below) = (Vec::new(), HistogramDataPoint::default(), 0);
    for sample in samples {
        if sample.name().ends_with("_bucket") {
            // Here a bucket has what is in it, there also what is in those before it.
            let up_to = sample.value.parse::<u64>().unwrap_or(below);
            point.bucket_counts.push(up_to.saturating_sub(below));
            point.explicit_bounds.extend(bound(sample));
            below = up_to;
        } else if sample.name().ends_with("_sum") {
            point.sum = sample.value.parse().ok();
        } else {
            point.count = sample.value.parse().unwrap_or(below);
            point.attributes = attributes(sample);
            point.start_time_unix_nano = period.started_unix_ns;
            point.time_unix_nano = period.now_unix_ns;
            done.push(std::mem::take(&mut point));
            below = 0;
        }
    }
    done
}

/// Where a bucket ends; `None` for the last one, which does not.
fn bound(sample: &Sample<'_>) -> Option<f64> {
    let (_, bound) = sample.labels().find(|(name, _)| *name == "le")?;
    bound.parse().ok().filter(|bound: &f64| bound.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::tests::TOLD;

    const PERIOD: Period = Period { started_unix_ns: 1, now_unix_ns: 2 };

    fn told() -> Vec<Metric> {
        let exemplar = Exemplar { trace_id: [7; 16], at_unix_ns: 5 };
        metrics(TOLD, &Exemplars::from([("c_events_total{map=\"a\"}".to_owned(), exemplar)]), PERIOD)
    }

    fn text(attributes: &[KeyValue]) -> String {
        let value =
            |it: &KeyValue| format!("{}={:?}", it.key, it.value.as_ref().unwrap().value.as_ref().unwrap());
        attributes.iter().map(value).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn a_counter_is_a_sum_that_grows_and_has_its_exemplars() {
        let [counter, ..] = &told()[..] else { panic!("no metric") };
        assert_eq!((&*counter.name, &*counter.unit), ("c_events_total", ""));
        let Some(Data::Sum(sum)) = &counter.data else { panic!("{counter:?}") };
        assert!(sum.is_monotonic);
        assert_eq!(sum.aggregation_temporality, 2, "cumulative");
        let [a, b] = &sum.data_points[..] else { panic!("{sum:?}") };
        assert_eq!(
            (a.value, b.value),
            (Some(number_data_point::Value::AsInt(3)), Some(number_data_point::Value::AsInt(0)))
        );
        assert_eq!((a.start_time_unix_nano, a.time_unix_nano), (1, 2));
        assert_eq!(text(&a.attributes), "map=StringValue(\"a\")");
        assert_eq!(text(&b.attributes), "map=StringValue(\"b \\\"c\\\", \\\\d\\ne\")");
        assert_eq!(
            a.exemplars.iter().map(|it| (&it.trace_id[..], it.time_unix_nano)).collect::<Vec<_>>(),
            [(&[7; 16][..], 5)]
        );
        assert!(b.exemplars.is_empty());
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let gauge = &told()[1];
        assert_eq!((&*gauge.name, points(gauge)), ("g", 0), "{gauge:?}");
    }

    #[test]
    fn a_histogram_has_what_is_in_each_bucket_and_its_labels_without_the_bound() {
        let histogram = &told()[2];
        assert_eq!((&*histogram.unit, points(histogram)), ("s", 2));
        let Some(Data::Histogram(Histogram { data_points, .. })) = &histogram.data else {
            panic!("{histogram:?}")
        };
        let shown: Vec<_> = data_points
            .iter()
            .map(|it| {
                (text(&it.attributes), it.bucket_counts.clone(), it.explicit_bounds.clone(), it.sum, it.count)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("map=StringValue(\"a\")".to_owned(), vec![1, 2, 1], vec![0.5, 1.0], Some(4.5), 4),
                ("map=StringValue(\"b\")".to_owned(), vec![0], vec![], Some(0.0), 0),
            ]
        );
    }

    #[test]
    fn units_are_those_that_names_end_with() {
        for (name, expected) in [
            ("counterfoil_outcome_lag_seconds", "s"),
            ("counterfoil_framer_read_bytes_total", "By"),
            ("counterfoil_outcome_events_total", ""),
            ("counterfoil_divergence_open", ""),
        ] {
            assert_eq!(unit(name), expected, "{name}");
        }
    }
}
