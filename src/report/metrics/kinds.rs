//! The kinds of metrics, as this program declares and counts them.

use prometheus::{CounterVec, GaugeVec, HistogramOpts, HistogramVec, Opts, Registry};

/// What a metric is, in Prometheus' words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// What is now.
    Gauge,
    /// Counted by size: `_bucket`, `_sum` and `_count`.
    Histogram,
}

impl Kind {
    /// Its name in the text format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a label can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Values {
    /// One of these. The series of all of them are there from the start.
    Of(&'static [&'static str]),
    /// So many different ones, then `other`; the sentence says what they are.
    AtMost(usize, &'static str),
    /// As many as a setting says, then `other`.
    Setting(&'static str, &'static str),
}

/// A label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it can be.
    pub values: Values,
}

/// A metric as declared.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Declared {
    /// Its name; ends in its unit, where it has one.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [Label],
    /// Upper bounds of a histogram's buckets; empty for others.
    pub buckets: &'static [f64],
    /// What it tells, in one sentence.
    pub help: &'static str,
}

impl Declared {
    /// Every combination of label values, where all of them are known from the start.
    fn known(&self) -> Vec<Vec<&'static str>> {
        let start = vec![Vec::new()];
        self.labels.iter().fold(start, |rows, label| match label.values {
            Values::Of(values) => {
                let longer = |row: &Vec<&'static str>| {
                    values.iter().map(|value| [row.as_slice(), &[*value]].concat()).collect::<Vec<_>>()
                };
                rows.iter().flat_map(longer).collect()
            }
            _ => Vec::new(),
        })
    }

    fn label_names(&self) -> Vec<&'static str> {
        self.labels.iter().map(|label| label.name).collect()
    }
}

const DECLARED_WELL: &str = "metrics are declared once, with valid names";
const LABELLED_WELL: &str = "a metric is counted with as many labels as it is declared with";

/// What can be made of a declaration.
pub(super) trait Family {
    const KIND: Kind;
    fn made(registry: &Registry, declared: &Declared) -> Self;
}

#[derive(Debug)]
pub(super) struct Counter(CounterVec);

impl Counter {
    pub(super) fn add(&self, labels: &[&str], value: f64) {
        self.0.get_metric_with_label_values(labels).expect(LABELLED_WELL).inc_by(value.max(0.0));
    }

    pub(super) fn one(&self, labels: &[&str]) {
        self.add(labels, 1.0);
    }

    pub(super) fn get(&self, labels: &[&str]) -> f64 {
        self.0.get_metric_with_label_values(labels).expect(LABELLED_WELL).get()
    }
}

impl Family for Counter {
    const KIND: Kind = Kind::Counter;

    fn made(registry: &Registry, declared: &Declared) -> Self {
        let made = CounterVec::new(Opts::new(declared.name, declared.help), &declared.label_names());
        let made = made.expect(DECLARED_WELL);
        registry.register(Box::new(made.clone())).expect(DECLARED_WELL);
        let made = Self(made);
        declared.known().iter().for_each(|labels| made.add(labels, 0.0));
        made
    }
}

#[derive(Debug)]
pub(super) struct Gauge(GaugeVec);

impl Gauge {
    pub(super) fn set(&self, labels: &[&str], value: f64) {
        self.0.get_metric_with_label_values(labels).expect(LABELLED_WELL).set(value);
    }

    pub(super) fn add(&self, labels: &[&str], value: f64) {
        self.0.get_metric_with_label_values(labels).expect(LABELLED_WELL).add(value);
    }

    /// Forgets all series.
    pub(super) fn clear(&self) {
        self.0.reset();
    }
}

impl Family for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn made(registry: &Registry, declared: &Declared) -> Self {
        let made = GaugeVec::new(Opts::new(declared.name, declared.help), &declared.label_names());
        let made = made.expect(DECLARED_WELL);
        registry.register(Box::new(made.clone())).expect(DECLARED_WELL);
        let made = Self(made);
        declared.known().iter().for_each(|labels| made.set(labels, 0.0));
        made
    }
}

#[derive(Debug)]
pub(super) struct Histogram(HistogramVec);

impl Histogram {
    pub(super) fn observe(&self, labels: &[&str], value: f64) {
        self.0.get_metric_with_label_values(labels).expect(LABELLED_WELL).observe(value);
    }
}

impl Family for Histogram {
    const KIND: Kind = Kind::Histogram;

    fn made(registry: &Registry, declared: &Declared) -> Self {
        let options = HistogramOpts::new(declared.name, declared.help).buckets(declared.buckets.to_vec());
        let made = HistogramVec::new(options, &declared.label_names()).expect(DECLARED_WELL);
        registry.register(Box::new(made.clone())).expect(DECLARED_WELL);
        for labels in declared.known() {
            made.get_metric_with_label_values(&labels).expect(LABELLED_WELL);
        }
        Self(made)
    }
}
