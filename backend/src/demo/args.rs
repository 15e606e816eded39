//! The arguments of `spanloom demo`.

use std::time::Duration;

use crate::client::ApiKey;

/// Sends the traffic of a shop to an OTLP/gRPC endpoint, live and for past hours.
///
/// The same seed and rate give the same spans at the same time, so a second run over the same
/// hours sends nothing new.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// Where to send, OTLP over gRPC.
    #[arg(long, default_value = "http://127.0.0.1:4317", value_name = "URL")]
    pub endpoint: String,

    /// API key with the scope "ingest", where the server wants one.
    #[arg(long, env = "SPANLOOM_KEY", hide_env_values = true, value_name = "KEY")]
    pub key: Option<ApiKey>,

    /// Traces per second, averaged over a day; a trace has about 20 spans.
    #[arg(long, default_value_t = 5.0, value_parser = parse_rate, value_name = "N")]
    pub rate: f64,

    /// How long live traffic goes on from now, for example "10m"; "0s" sends the past only.
    /// Without it there is no end.
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub duration: Option<Duration>,

    /// Another seed gives another day.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,

    /// Send the past first, for example "6h", as fast as the server accepts it.
    #[arg(long, value_parser = parse_duration, default_value = "0s", value_name = "TIME")]
    pub backfill: Duration,

    /// Send one trace of so many spans instead, and print its id.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000),
          conflicts_with_all = ["backfill", "duration"], value_name = "SPANS")]
    pub huge: Option<u32>,
}

/// More than this is no demonstration any more.
const RATE_MAX: f64 = 10_000.0;
const DURATION_MAX: Duration = Duration::from_hours(366 * 24);

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= RATE_MAX => Ok(rate),
        _ => Err(format!("expected a number above 0 and up to {RATE_MAX}")),
    }
}

/// Whole numbers with units, the largest first: `90s`, `10m`, `1h30m`, `2d`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration; write it like 90s, 10m, 1h30m or 2d");
    let mut total_s = 0_u64;
    let mut unit_before_s = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = rest[digits..].chars().next().ok_or_else(wrong)?;
        let unit_s = match unit {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return Err(wrong()),
        };
        if unit_s >= unit_before_s {
            return Err(wrong());
        }
        unit_before_s = unit_s;
        total_s =
            number.checked_mul(unit_s).and_then(|add_s| total_s.checked_add(add_s)).ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
    }
    let duration = Duration::from_secs(total_s);
    if text.is_empty() || duration > DURATION_MAX { Err(wrong()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a unit read as another one, and nonsense taken for zero.
    #[test]
    fn durations() {
        let cases = [("0s", 0), ("90s", 90), ("10m", 600), ("1h30m", 5_400), ("2d", 172_800)];
        for (text, seconds) in cases {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "10", "m", "5x", "1m1m", "1s1h", "-1s", "400d", "99999999999999999999s", "1h 30m", "1µ"]
        {
            assert!(parse_duration(text).is_err(), "{text:?} must be refused");
        }
    }
}
