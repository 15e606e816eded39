//! A line without axes beside a number: how it came to be what it is.

use std::fmt::Write as _;

use leptos::prelude::*;

const WIDTH: f64 = 72.0;
const HEIGHT: f64 = 20.0;
const PADDING: f64 = 2.0;

/// The line, and dots for values between two gaps; the lowest value drawn is 0. Pure.
fn path(values: &[Option<f64>]) -> String {
    let max = values.iter().flatten().copied().fold(0.0, f64::max);
    let step = (WIDTH - 2.0 * PADDING) / values.len().saturating_sub(1).max(1) as f64;
    let height = HEIGHT - 2.0 * PADDING;
    let mut path = String::new();
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        let x = PADDING + index as f64 * step;
        let share = if max > 0.0 { (value / max).max(0.0) } else { 0.0 };
        let y = HEIGHT - PADDING - share * height;
        let begins = index == 0 || values[index - 1].is_none();
        // Writing into a string does not fail.
        let _ = write!(path, "{}{x:.1} {y:.1}", if begins { 'M' } else { 'L' });
        if begins && values.get(index + 1).copied().flatten().is_none() {
            path.push_str("h.01");
        }
    }
    path
}

/// Draws the values, one per step; hidden from screen readers, which the number beside it serves.
pub fn sparkline(values: &[Option<f64>], class: &'static str) -> impl IntoView + use<> {
    let class = format!("sparkline {class}");
    view! {
        <svg class=class width=WIDTH height=HEIGHT aria-hidden="true" focusable="false">
            <path d=path(values) />
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches gaps drawn as zero, single values that vanish, and lines beyond their height.
    #[test]
    fn a_line_breaks_where_nothing_was_measured() {
        let line = path(&[Some(0.0), Some(4.0), None, Some(2.0), None, Some(1.0), Some(4.0)]);
        assert_eq!(line, "M2.0 18.0L13.3 2.0M36.0 10.0h.01M58.7 14.0L70.0 2.0");
        assert_eq!(path(&[Some(0.0), Some(0.0)]), "M2.0 18.0L70.0 18.0");
        assert_eq!(path(&[]), "");
    }
}
