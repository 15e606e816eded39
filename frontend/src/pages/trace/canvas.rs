//! Drawing on canvases: the bars of the timeline, the minimap.

use spanloom_analysis::Interval;
use spanloom_model::LogLevel;
use web_sys::CanvasRenderingContext2d;

use super::colors::Colors;
use super::logs::TraceLogs;
use super::model::TraceModel;
use super::viewport::Scale;
use crate::format;

/// Height of a row.
pub const ROW_PX: f64 = 22.0;

const BAR_TOP_PX: f64 = 6.0;
const BAR_HEIGHT_PX: f64 = 10.0;
/// Narrower, a bar could not be seen.
const BAR_MIN_PX: f64 = 2.0;
/// Half the width of a log record's mark.
const DIAMOND_PX: f64 = 4.0;
/// More of an error's message does not fit beside its bar.
const MESSAGE_CHARS_MAX: usize = 60;

/// What the timeline draws.
pub struct Bars<'a> {
    /// The trace.
    pub model: &'a TraceModel,
    /// Spans by row, from the top.
    pub spans: &'a [usize],
    /// Time to pixels; ends left of the canvas's right edge, so that labels have room.
    pub scale: Scale,
    /// Of the canvas.
    pub width_px: f64,
    /// Colours.
    pub colors: &'a Colors,
    /// Whether to draw the critical path.
    pub critical: bool,
    /// Pre-order positions of what was found; the rest is dimmed. None without a search.
    pub hits: Option<&'a [usize]>,
    /// Where vertical lines are.
    pub ticks: &'a [i64],
    /// The log records, if they are there.
    pub logs: Option<&'a TraceLogs>,
}

impl Bars<'_> {
    /// Draws everything; each row costs what can be seen of it.
    pub fn draw(&self, context: &CanvasRenderingContext2d) {
        let height_px = self.spans.len() as f64 * ROW_PX;
        context.set_fill_style_str(&self.colors.line);
        for &tick in self.ticks {
            context.fill_rect(self.scale.x(tick).round(), 0.0, 1.0, height_px);
        }
        context.set_font(&self.colors.font);
        context.set_text_baseline("middle");
        for (row, &span) in self.spans.iter().enumerate() {
            let found =
                self.hits.is_none_or(|hits| hits.binary_search(&self.model.tree.position(span)).is_ok());
            context.set_global_alpha(if found { 1.0 } else { 0.3 });
            self.row(context, span, row as f64 * ROW_PX);
        }
        context.set_global_alpha(1.0);
    }

    fn row(&self, context: &CanvasRenderingContext2d, span: usize, top_px: f64) {
        let (model, scale, colors) = (self.model, self.scale, self.colors);
        let time = model.times[span];
        let (from_px, to_px) = visible(time, scale, self.width_px);
        let service = model.service_index(span);
        let y = top_px + BAR_TOP_PX;
        let is_error = model.is_error(span);
        let label_at = if from_px > self.width_px || to_px < 0.0 {
            None
        } else {
            context.set_fill_style_str(&colors.light[service]);
            context.fill_rect(from_px, y, to_px - from_px, BAR_HEIGHT_PX);
            context.set_fill_style_str(&colors.solid[service]);
            self.self_time(context, span, (from_px, to_px), y);
            if is_error {
                context.set_fill_style_str(&colors.error);
                context.fill_rect(from_px, y + BAR_HEIGHT_PX, to_px - from_px, 2.0);
            }
            if self.critical {
                context.set_fill_style_str(&colors.text);
                for segment in model.critical(span) {
                    let (from_px, to_px) = visible(segment.time, scale, self.width_px);
                    if to_px > 0.0 && from_px < self.width_px {
                        context.fill_rect(from_px, y + BAR_HEIGHT_PX / 2.0 - 1.0, to_px - from_px, 2.0);
                    }
                }
            }
            self.events(context, span, y);
            Some((from_px, to_px))
        };
        self.log_marks(context, span, y + BAR_HEIGHT_PX / 2.0);
        self.label(context, span, label_at, top_px + ROW_PX / 2.0 + 0.5);
    }

    /// Fills the gaps between the times in which children ran.
    fn self_time(&self, context: &CanvasRenderingContext2d, span: usize, bar_px: (f64, f64), y: f64) {
        let parts = self.model.child_time.of(span);
        let mut at_px = bar_px.0;
        let first = parts.partition_point(|part| part.end_ns <= self.scale.range.start_ns);
        for part in &parts[first..] {
            let start_px = self.scale.x(part.start_ns);
            if start_px > bar_px.1 {
                break;
            }
            if start_px > at_px {
                context.fill_rect(at_px, y, start_px - at_px, BAR_HEIGHT_PX);
            }
            at_px = at_px.max(self.scale.x(part.end_ns));
        }
        // A bar wider than its time stands for a span too short to tell its parts apart.
        if bar_px.1 > at_px {
            context.fill_rect(at_px, y, bar_px.1 - at_px, BAR_HEIGHT_PX);
        }
    }

    fn events(&self, context: &CanvasRenderingContext2d, span: usize, y: f64) {
        let mut last_px = f64::MIN;
        for event in &self.model.span(span).events {
            let x = self.scale.x(event.offset_ns);
            // Ticks on the same pixel need no second one.
            if x < -2.0 || x > self.width_px + 2.0 || (x - last_px).abs() < 1.0 {
                continue;
            }
            last_px = x;
            let exception = event.name == "exception";
            context.set_fill_style_str(if exception { &self.colors.error } else { &self.colors.text });
            context.fill_rect((x - 0.75).round(), y - 3.0, 1.5, BAR_HEIGHT_PX + 6.0);
        }
    }

    /// A diamond for each log record, also where it was told after the span had ended.
    fn log_marks(&self, context: &CanvasRenderingContext2d, span: usize, middle: f64) {
        let Some(logs) = self.logs else { return };
        let mut last_px = f64::MIN;
        for &at in logs.of(span) {
            let x = self.scale.x(logs.offsets_ns[at]);
            let level = logs.items[at].entry.level;
            let is_bad = level >= LogLevel::Error;
            // One on top of the other would be one; errors are always drawn.
            let is_apart = (x - last_px).abs() >= 3.0;
            if x < -DIAMOND_PX || x > self.width_px + DIAMOND_PX || !(is_apart || is_bad) {
                continue;
            }
            last_px = x;
            let fill = match level {
                LogLevel::Error | LogLevel::Fatal => &self.colors.error,
                LogLevel::Warn => &self.colors.warn,
                _ => &self.colors.text,
            };
            context.begin_path();
            context.move_to(x, middle - DIAMOND_PX);
            context.line_to(x + DIAMOND_PX, middle);
            context.line_to(x, middle + DIAMOND_PX);
            context.line_to(x - DIAMOND_PX, middle);
            context.close_path();
            context.set_fill_style_str(fill);
            context.fill();
            // Apart from the bar below, whatever its colour.
            context.set_stroke_style_str(&self.colors.surface);
            context.stroke();
        }
    }

    /// Duration, and why it failed; right of the bar, or left of it, or on its end.
    fn label(&self, context: &CanvasRenderingContext2d, span: usize, bar_px: Option<(f64, f64)>, y: f64) {
        let (model, colors) = (self.model, self.colors);
        let duration = format::duration(model.times[span].duration_ns());
        let Some((from_px, to_px)) = bar_px else {
            // Outside the zoom: say in which direction.
            let before = self.scale.x(model.times[span].end_ns) < 0.0;
            context.set_fill_style_str(&colors.muted);
            if before {
                let _ = context.fill_text(&format!("‹ {duration}"), 4.0, y);
            } else {
                let text = format!("{duration} ›");
                let _ = context.fill_text(&text, self.width_px - width_px(context, &text) - 4.0, y);
            }
            return;
        };
        let duration_px = width_px(context, &duration);
        let right_px = self.width_px - to_px - duration_px - 2.0 * GAP_PX;
        let left_px = from_px - duration_px - 2.0 * GAP_PX;
        let mark = model.is_error(span).then(|| {
            let text = model.error_text(span).unwrap_or("error");
            let room_px = right_px.max(left_px) - GAP_PX;
            let long = mark(text.lines().next().unwrap_or_default(), room_px);
            // Letters may be wider than on average.
            if width_px(context, &long) <= room_px { long } else { mark("", 0.0) }
        });
        let mark_px = mark.as_ref().map_or(0.0, |mark| width_px(context, mark) + GAP_PX);
        let x = if right_px >= mark_px {
            to_px + GAP_PX
        } else if left_px >= mark_px {
            from_px - GAP_PX - duration_px - mark_px
        } else {
            to_px.min(self.width_px) - duration_px - mark_px - 4.0
        };
        context.set_fill_style_str(&colors.muted);
        // Text can only fail to be drawn where there is no canvas at all.
        let _ = context.fill_text(&duration, x, y);
        if let Some(mark) = &mark {
            context.set_fill_style_str(&colors.error);
            let _ = context.fill_text(mark, x + duration_px + GAP_PX, y);
        }
    }
}

/// Between a bar, its duration and its error.
const GAP_PX: f64 = 6.0;
/// Of a letter in the labels' font, on average and a little more.
const LETTER_PX: f64 = 6.4;

/// An error's mark with as much of its message as fits into `room_px`; at least the mark.
fn mark(message: &str, room_px: f64) -> String {
    let letters = (room_px / LETTER_PX - 2.0).clamp(0.0, MESSAGE_CHARS_MAX as f64) as usize;
    if letters < 5 || message.is_empty() {
        return "●".to_owned();
    }
    if message.chars().count() <= letters {
        return format!("● {message}");
    }
    let short: String = message.chars().take(letters - 1).collect();
    format!("● {}…", short.trim_end())
}

fn width_px(context: &CanvasRenderingContext2d, text: &str) -> f64 {
    // An estimate is better than no label.
    context.measure_text(text).map_or(text.len() as f64 * 6.0, |metrics| metrics.width())
}

/// Where a time begins and ends in pixels, cut a little outside what is visible: canvases lose
/// precision far outside.
fn visible(time: Interval, scale: Scale, width_px: f64) -> (f64, f64) {
    let from_px = scale.x(time.start_ns).max(-4.0);
    let to_px = scale.x(time.end_ns).min(width_px + 4.0);
    (from_px, to_px.max(from_px + BAR_MIN_PX))
}

/// Height of the minimap's error marks.
const MARKS_PX: f64 = 6.0;

/// With more spans, services mix on a line of the minimap anyway.
const MIXED_SPANS: usize = 2_000;

/// A span in the minimap.
#[derive(Default)]
struct Strip {
    line: i32,
    from_px: f64,
    to_px: f64,
    service: usize,
}

impl Strip {
    fn covers(&self, other: &Self) -> bool {
        self.line == other.line && self.from_px <= other.from_px && self.to_px >= other.to_px
    }
}

/// Draws the whole trace: every span a thin line, the critical path dark, errors marked above.
pub fn draw_minimap(
    context: &CanvasRenderingContext2d,
    model: &TraceModel,
    colors: &Colors,
    width_px: f64,
    height_px: f64,
) {
    let scale = Scale { range: model.bounds, width_px };
    let spans = model.tree.len();
    let room_px = height_px - MARKS_PX - 2.0;
    let line_px = (room_px / spans as f64).clamp(1.0, 4.0);
    let used_px = room_px.min(spans as f64 * line_px);
    let line_of = |position: usize| (MARKS_PX + position as f64 / spans as f64 * used_px) as i32;
    // Of spans on the same line and within the same pixels, one is enough.
    let mut last = Strip::default();
    for (position, &span) in model.tree.preorder().iter().enumerate() {
        let (from_px, to_px) = visible(model.times[span], scale, width_px);
        let strip = Strip { line: line_of(position), from_px, to_px, service: model.service_index(span) };
        if last.covers(&strip) && (last.service == strip.service || spans > MIXED_SPANS) {
            continue;
        }
        if position == 0 || last.service != strip.service {
            context.set_fill_style_str(&colors.faded[strip.service]);
        }
        let y = f64::from(strip.line);
        context.fill_rect(from_px, y, (to_px - from_px).max(1.0), (line_px - 0.5).max(1.0));
        last = strip;
    }
    context.set_fill_style_str(&colors.text);
    for segment in model.critical_path() {
        let (from_px, to_px) = visible(segment.time, scale, width_px);
        let y = f64::from(line_of(model.tree.position(segment.span)));
        context.fill_rect(from_px, y, (to_px - from_px).max(1.0), line_px.clamp(1.0, 2.0));
    }
    context.set_fill_style_str(&colors.error);
    let mut last_px = f64::MIN;
    for &position in &model.errors {
        let x = scale.x(model.times[model.tree.preorder()[position]].start_ns).clamp(3.0, width_px - 3.0);
        if (x - last_px).abs() < 2.0 {
            continue;
        }
        last_px = x;
        context.begin_path();
        context.move_to(x - 3.5, 0.0);
        context.line_to(x + 3.5, 0.0);
        context.line_to(x, MARKS_PX - 1.0);
        context.close_path();
        context.fill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a message cut within a character, and one that hides its bar.
    #[test]
    fn a_message_takes_the_room_there_is() {
        assert_eq!(mark("timeout", 200.0), "● timeout");
        assert_eq!(mark("größe überschritten", 70.0), "● größe ü…");
        assert_eq!(mark("timeout", 20.0), "●");
        assert_eq!(mark("timeout", -50.0), "●");
        assert_eq!(mark(&"x".repeat(500), 1e9).chars().count(), MESSAGE_CHARS_MAX + 2);
    }
}
