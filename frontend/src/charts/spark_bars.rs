//! A few bars without axes: how often something happened lately.

use std::fmt::Write as _;

use leptos::prelude::*;

const WIDTH: f64 = 96.0;
const HEIGHT: f64 = 20.0;

/// The bars as the data of an SVG path: the largest is as high as the picture, what is not zero is at
/// least a pixel high. Pure.
pub fn path(values: &[f64], width: f64, height: f64) -> String {
    let mut path = String::new();
    let max = values.iter().copied().fold(0.0, f64::max);
    if max <= 0.0 {
        return path;
    }
    let step = width / values.len() as f64;
    let bar = (step - 1.0).max(1.0);
    for (index, value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        let tall = (value / max * height).max(1.0);
        let x = index as f64 * step;
        // Writing to a string cannot fail.
        let _ = write!(path, "M{x:.1} {height:.1}v-{tall:.1}h{bar:.1}v{tall:.1}z");
    }
    path
}

/// The bars above their base line.
#[component]
pub fn SparkBars(
    /// One value per step.
    values: Vec<f64>,
    /// For screen readers and on hover.
    label: String,
) -> impl IntoView {
    view! {
        <svg
            class="spark-bars"
            viewBox=format!("0 0 {WIDTH} {}", HEIGHT + 1.0)
            width=WIDTH.to_string()
            height=(HEIGHT + 1.0).to_string()
            role="img"
            aria-label=label.clone()
        >
            <title>{label.clone()}</title>
            <path class="spark-bars-base" d=format!("M0 {:.1}h{WIDTH}", HEIGHT + 0.5) />
            <path class="spark-bars-fill" d=path(&values, WIDTH, HEIGHT) />
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    // Catches rare errors that are not seen beside common ones, and bars that leave the picture.
    #[test]
    fn bars_are_as_high_as_their_share_and_at_least_a_pixel() {
        assert_eq!(
            path(&[0.0, 1000.0, 1.0, 500.0], 40.0, 20.0),
            "M10.0 20.0v-20.0h9.0v20.0zM20.0 20.0v-1.0h9.0v1.0zM30.0 20.0v-10.0h9.0v10.0z"
        );
        assert_eq!(path(&[0.0, 0.0], 40.0, 20.0), "");
        assert_eq!(path(&[], 40.0, 20.0), "");
    }
}
