//! A block of rows: their names as elements, their bars on a canvas. There are just enough blocks
//! to cover what can be seen and a little more; one that scrolling has left behind is filled with
//! the rows that come next. So a scrolled row costs what it shows, and nothing is drawn twice.

use leptos::html;
use leptos::prelude::*;

use super::canvas::{Bars, ROW_PX};
use super::colors::Colors;
use super::logs::use_logs;
use super::row::{Row, RowContent, row_view};
use super::state::ViewState;
use super::viewport::Scale;
use crate::charts::canvas::prepare;

/// Rows of a tile.
pub const TILE_ROWS: usize = 16;
/// Its height.
pub const TILE_PX: f64 = TILE_ROWS as f64 * ROW_PX;

/// How many tiles cover a view of that height, with at least one to spare above and below.
pub fn tile_count(height_px: f64) -> usize {
    (height_px / TILE_PX).ceil() as usize + 3
}

/// Which block of rows the `slot`-th of `count` tiles shows: blocks follow each other, and a tile
/// keeps its block as long as it is one of those around `scroll_top_px`.
pub fn block_of(slot: usize, count: usize, scroll_top_px: f64) -> usize {
    let first = ((scroll_top_px.max(0.0) / TILE_PX) as usize).saturating_sub(1);
    first + (slot + count - first % count) % count
}

/// What all tiles have in common.
#[derive(Clone, Copy)]
pub struct Shared {
    /// The page's state.
    pub state: ViewState,
    /// Colours.
    pub colors: RwSignal<Colors>,
    /// Time to pixels.
    pub scale: Memo<Scale>,
    /// Where vertical lines are.
    pub ticks: Memo<(i64, Vec<i64>)>,
    /// The width of the names.
    pub name_width: Memo<f64>,
    /// The width of the bars.
    pub bars_width: Memo<f64>,
}

/// A tile that shows the given block of rows.
#[component]
pub fn Tile(shared: Shared, block: Memo<usize>) -> impl IntoView {
    let Shared { state, colors, scale, ticks, name_width, bars_width } = shared;
    let names: NodeRef<html::Div> = NodeRef::new();
    let canvas: NodeRef<html::Canvas> = NodeRef::new();
    let model = state.model();
    let logs = use_logs();

    // (span, whether it is collapsed) by row.
    let content = {
        let model = model.clone();
        Memo::new(move |_| {
            let first = block.get() * TILE_ROWS;
            state.rows.with(|rows| {
                (first..first + TILE_ROWS)
                    .map_while(|row| rows.span_at(&model.tree, row))
                    .map(|span| (span, rows.is_collapsed(span)))
                    .collect::<Vec<_>>()
            })
        })
    };

    let rows: StoredValue<Vec<Row>, LocalStorage> = StoredValue::new_local(Vec::new());
    let shown = model.clone();
    Effect::new(move |_| {
        let Some(names) = names.get() else { return };
        let selected = state.selected.get();
        let width_px = name_width.get() as usize;
        rows.update_value(|rows| {
            if rows.is_empty() {
                let children = names.children();
                rows.extend((0..children.length()).filter_map(|index| Row::find(&children.item(index)?)));
            }
            content.with(|content| {
                state.hits.with(|hits| {
                    for (index, row) in rows.iter_mut().enumerate() {
                        let content = content.get(index).map(|&(span, collapsed)| RowContent {
                            span,
                            hidden: collapsed
                                .then(|| state.rows.with_untracked(|rows| rows.below(&shown.tree, span))),
                            selected: selected == Some(span),
                            hit: hits.binary_search(&shown.tree.position(span)).is_ok(),
                            width_px,
                        });
                        row.show(&shown, content);
                    }
                });
            });
        });
    });

    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        let (scale, width_px, critical) = (scale.get(), bars_width.get(), state.critical.get());
        let searching = state.searching.get();
        let logs = logs.value.get();
        if width_px <= 0.0 {
            return;
        }
        let Some(context) = prepare(&canvas, width_px, TILE_PX) else { return };
        let spans: Vec<usize> = content.with(|content| content.iter().map(|&(span, _)| span).collect());
        colors.with(|colors| {
            state.hits.with(|hits| {
                ticks.with(|(_, ticks)| {
                    let hits = searching.then_some(hits.as_slice());
                    let model = &model;
                    let logs = logs.as_deref();
                    Bars { model, spans: &spans, scale, width_px, colors, critical, hits, ticks, logs }
                        .draw(&context);
                });
            });
        });
    });

    view! {
        <div class="trace-tile" role="presentation" style:top=move || format!("{}px", block.get() as f64 * TILE_PX)>
            <canvas
                class="trace-bars"
                node_ref=canvas
                aria-hidden="true"
                style:width=move || format!("{}px", bars_width.get())
                style:height=format!("{TILE_PX}px")
            ></canvas>
            <div class="trace-names" role="presentation" node_ref=names>
                {(0..TILE_ROWS).map(|_| row_view()).collect_view()}
            </div>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches rows that can be seen but have no tile, and two tiles with the same rows.
    #[test]
    fn tiles_cover_what_can_be_seen_once() {
        for height_px in [1.0, 352.0, 630.0, 2_000.0] {
            let count = tile_count(height_px);
            for scroll_px in [0.0, 1.0, 351.9, 352.0, 703.0, 10_000.5, 2_199_000.0] {
                let mut blocks: Vec<_> = (0..count).map(|slot| block_of(slot, count, scroll_px)).collect();
                blocks.sort_unstable();
                assert!(blocks.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{blocks:?}");
                assert!(blocks[0] as f64 * TILE_PX <= scroll_px);
                assert!((blocks[count - 1] + 1) as f64 * TILE_PX >= scroll_px + height_px);
            }
        }
    }

    // Catches a scroll that fills every tile anew.
    #[test]
    fn scrolling_by_a_tile_changes_one_tile() {
        let count = tile_count(630.0);
        for top in 2..40_usize {
            let at = |top: usize| -> Vec<_> {
                (0..count).map(|slot| block_of(slot, count, top as f64 * TILE_PX)).collect()
            };
            let (before, after) = (at(top), at(top + 1));
            assert_eq!(before.iter().zip(&after).filter(|(a, b)| a != b).count(), 1);
        }
    }
}
