//! The results of `spanloom bench rollup`: a table for people, JSON for programs.
#![expect(clippy::print_stdout, reason = "the table is what the command is for")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

/// A question and how long its answer takes.
#[derive(Debug, Serialize)]
pub struct Answer {
    question: &'static str,
    /// Through the API, from what was counted.
    rollup_ms: f64,
    /// Plain SQL over the spans.
    exact_ms: f64,
}

impl Answer {
    /// From two measured times.
    pub fn new(question: &'static str, rollup: Duration, exact: Duration) -> Self {
        Self { question, rollup_ms: rollup.as_secs_f64() * 1e3, exact_ms: exact.as_secs_f64() * 1e3 }
    }
}

/// Everything that was measured. Absent is what cannot be seen from this machine.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// What the spans look like.
    pub shape: &'static str,
    /// Version of PostgreSQL.
    pub postgres: String,
    /// Version of TimescaleDB, where it is used.
    pub timescaledb: Option<String>,
    /// Spans that were sent.
    pub spans: u64,
    /// Spans that the questions were put to.
    pub history_spans: u64,
    /// Server and PostgreSQL, all of the following included.
    pub ingest_cpu_s_per_million: Option<f64>,
    /// Counting in the process: metrics, totals, calls.
    pub counting_cpu_s_per_million: f64,
    /// COPY of what was counted.
    pub copy_cpu_s_per_million: f64,
    /// Rolling up, adding up, pairing.
    pub jobs_cpu_s_per_million: f64,
    /// How often.
    pub job_runs: u32,
    /// From the last acknowledgement until the metrics had every span.
    pub counted_after_ms: f64,
    /// Bytes by table after the jobs: the spans, then what counts them.
    pub sizes: Vec<(String, u64)>,
    /// Answers over the history.
    pub answers: Vec<Answer>,
}

impl Findings {
    /// All that counting costs, CPU seconds per million spans.
    fn counts(&self) -> f64 {
        self.counting_cpu_s_per_million + self.copy_cpu_s_per_million + self.jobs_cpu_s_per_million
    }

    /// That as a share of what the rest of ingest costs.
    fn share(&self) -> Option<f64> {
        let rest = self.ingest_cpu_s_per_million? - self.counts();
        (rest > 0.0).then(|| self.counts() / rest)
    }

    /// Prints the table.
    pub fn print(&self) {
        print!("{}", self.table());
    }

    fn table(&self) -> String {
        let timescaledb = self.timescaledb.as_ref().map(|version| format!(", TimescaleDB {version}"));
        let mut text = format!(
            "shape {}, {} spans, PostgreSQL {}{}\n",
            self.shape,
            self.spans,
            self.postgres,
            timescaledb.unwrap_or_default()
        );
        let mut line = |words: &str, value: Option<f64>, digits: usize| {
            let value = value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.digits$}"));
            let _ = writeln!(text, "{words:<52}{value:>12}");
        };
        line("ingest, all of it: CPU, s per million", self.ingest_cpu_s_per_million, 2);
        line("  counting in the process", Some(self.counting_cpu_s_per_million), 2);
        line("  COPY of the counts", Some(self.copy_cpu_s_per_million), 2);
        line(
            &format!("  rolling up and pairing, {} runs", self.job_runs),
            Some(self.jobs_cpu_s_per_million),
            2,
        );
        line("the three together / the rest of ingest", self.share(), 2);
        line("counted after the last answer, ms", Some(self.counted_after_ms), 0);
        for (table, bytes) in &self.sizes {
            line(&format!("{table}, B per span"), Some(*bytes as f64 / self.spans as f64), 1);
        }
        for Answer { question, rollup_ms, exact_ms } in &self.answers {
            line(&format!("{question}, ms"), Some(*rollup_ms), 1);
            line("  plain SQL over the spans, ms", Some(*exact_ms), 1);
        }
        text
    }

    /// Writes the JSON.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
        println!("written to {}", file.display());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a share that counts its own cost in the denominator, or leaves a part out.
    #[test]
    fn the_share_is_of_the_rest() {
        let findings = Findings {
            shape: "wide",
            postgres: "15".to_owned(),
            timescaledb: None,
            spans: 1_000,
            history_spans: 0,
            ingest_cpu_s_per_million: Some(12.0),
            counting_cpu_s_per_million: 0.5,
            copy_cpu_s_per_million: 0.5,
            jobs_cpu_s_per_million: 1.0,
            job_runs: 3,
            counted_after_ms: 20.0,
            sizes: vec![("spans".to_owned(), 600_000)],
            answers: Vec::new(),
        };
        assert!((findings.share().unwrap() - 0.2).abs() < 1e-9);
        assert!(
            findings.table().contains("spans, B per span                                          600.0\n")
        );
    }
}
