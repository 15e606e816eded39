//! Canvases in CSS pixels, sharp on every screen.

use leptos::prelude::window;
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

/// Makes the canvas as large as told and returns what to draw with, in CSS pixels, cleared.
pub fn prepare(
    canvas: &HtmlCanvasElement,
    width_px: f64,
    height_px: f64,
) -> Option<CanvasRenderingContext2d> {
    let ratio = window().device_pixel_ratio().clamp(1.0, 3.0);
    let (width, height) =
        ((width_px * ratio).round().max(1.0) as u32, (height_px * ratio).round().max(1.0) as u32);
    let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
    if canvas.width() != width || canvas.height() != height {
        canvas.set_width(width);
        canvas.set_height(height);
    }
    // Only numbers that are not finite fail, and those are none.
    context.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0).ok()?;
    context.clear_rect(0.0, 0.0, width_px, height_px);
    Some(context)
}
