//! Prometheus' text format and `OpenMetrics`, which is nearly the same. Pure.

use std::fmt::Write as _;

use spanloom_model::{SpanId, TraceId};

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, version 0.0.4: knows no exemplars.
    Plain,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Format {
    /// What an `Accept` header prefers; the plain one if it has no opinion.
    pub fn preferred(accept: &str) -> Self {
        let quality = |wanted: &str| {
            let of = |range: &str| {
                let mut parts = range.split(';').map(str::trim);
                let is_wanted = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
                let quality = parts.find_map(|part| part.strip_prefix("q="));
                is_wanted.then(|| quality.map_or(1.0, |text| text.parse().unwrap_or(0.0)))
            };
            accept.split(',').filter_map(of).fold(0.0, f64::max)
        };
        let open = quality("application/openmetrics-text");
        if open > 0.0 && open >= quality("text/plain") { Self::OpenMetrics } else { Self::Plain }
    }

    /// The content type of what is written.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What kind of numbers a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

/// An observation that stands for others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exemplar {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub value: f64,
    /// Seconds since the epoch.
    pub time_s: f64,
}

/// Labels as they stand between braces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(String);

impl Labels {
    /// Names must be valid already; values may be anything.
    pub fn new(pairs: &[(&str, &str)]) -> Self {
        pairs.iter().fold(Self::default(), |labels, (name, value)| labels.with(name, value))
    }

    /// The same and one more.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut text = self.0.clone();
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
        Self(text)
    }
}

/// Writes families one after the other.
#[derive(Debug)]
pub struct Exposition {
    format: Format,
    text: String,
}

impl Exposition {
    pub fn new(format: Format) -> Self {
        Self { format, text: String::new() }
    }

    /// Begins a family; its samples follow. `name` is without the suffix of its samples.
    pub fn family(&mut self, name: &str, of: Type, help: &str) {
        let (suffix, of) = match (self.format, of) {
            // Only OpenMetrics calls a counter by something else than its sample.
            (Format::Plain, Type::Counter) => ("_total", "counter"),
            (Format::OpenMetrics, Type::Counter) => ("", "counter"),
            (_, Type::Gauge) => ("", "gauge"),
            (_, Type::Histogram) => ("", "histogram"),
            (_, Type::Summary) => ("", "summary"),
        };
        self.line(format_args!("# HELP {name}{suffix} {help}"));
        self.line(format_args!("# TYPE {name}{suffix} {of}"));
    }

    /// A sample of the family that was begun last.
    pub fn sample(&mut self, name: &str, labels: &Labels, value: f64, exemplar: Option<&Exemplar>) {
        let Labels(labels) = labels;
        match exemplar.filter(|_| self.format == Format::OpenMetrics) {
            None => self.line(format_args!("{name}{{{labels}}} {value}")),
            Some(it) => self.line(format_args!(
                "{name}{{{labels}}} {value} # {{trace_id=\"{}\",span_id=\"{}\"}} {} {:.3}",
                it.trace_id, it.span_id, it.value, it.time_s
            )),
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = self.text.write_fmt(line);
        self.text.push('\n');
    }

    /// All of it.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.line(format_args!("# EOF"));
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a scraper that gets a format which it cannot read.
    #[test]
    fn the_scraper_chooses_the_format() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
            version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::preferred(prometheus), Format::OpenMetrics);
        let plain = [
            "",
            "*/*",
            "text/plain",
            "text/plain, application/openmetrics-text; q=0.5",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=x",
            "text/html",
        ];
        for accept in plain {
            assert_eq!(Format::preferred(accept), Format::Plain, "{accept}");
        }
    }

    // Catches a name that ends its label early and forges another.
    #[test]
    fn label_values_are_escaped() {
        let labels = Labels::new(&[("a", "x\"} 1\n\\"), ("b", "é")]);
        assert_eq!(labels.0, r#"a="x\"} 1\n\\",b="é""#);
    }

    // Catches exemplars in the format that has none, and counters under names that nobody asks for.
    #[test]
    fn the_two_formats_differ_in_names_exemplars_and_end() {
        let exemplar = Exemplar {
            trace_id: TraceId::new(0x4b).unwrap(),
            span_id: SpanId::new(7).unwrap(),
            value: 0.25,
            time_s: 1_700_000_000.5,
        };
        let write = |format| {
            let mut exposition = Exposition::new(format);
            exposition.family("calls", Type::Counter, "Calls.");
            exposition.sample("calls_total", &Labels::new(&[("a", "b")]), 3.0, Some(&exemplar));
            exposition.finish()
        };
        assert_eq!(
            write(Format::Plain),
            "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total{a=\"b\"} 3\n"
        );
        assert_eq!(
            write(Format::OpenMetrics),
            "# HELP calls Calls.\n# TYPE calls counter\ncalls_total{a=\"b\"} 3 # \
             {trace_id=\"0000000000000000000000000000004b\",span_id=\"0000000000000007\"} 0.25 \
             1700000000.500\n# EOF\n"
        );
    }
}
