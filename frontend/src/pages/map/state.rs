//! What the parts of the page share.

use std::collections::HashSet;

use leptos::prelude::*;

use super::camera::Camera;
use super::drawing::{Card, Drawing};
use super::filter::{MapFilter, Selection};
use super::places::EdgeKey;
use crate::state::find::score;
use crate::state::query::Query;
use crate::state::range::{RangeState, use_change_query};

/// CSS pixels at the lower edge that buttons and legend cover.
const LEGEND_HEIGHT: f64 = 36.0;

/// Nodes and edges that stand out; the rest is dim.
pub type Emphasis = (HashSet<String>, HashSet<EdgeKey>);

/// The page's state.
#[derive(Clone, Copy)]
pub struct MapState {
    /// What the URL says.
    pub filter: Memo<MapFilter>,
    /// What is drawn.
    pub drawing: Memo<Drawing>,
    /// What is seen of it; none until the canvas has a size and there is something to see.
    pub camera: RwSignal<Option<Camera>>,
    /// Size of the canvas in CSS pixels.
    pub size: RwSignal<(f64, f64)>,
    /// What the pointer is on, and where that is on the canvas.
    pub hovered: RwSignal<Option<(Selection, (f64, f64))>>,
    /// The node that the keyboard is on.
    pub current: RwSignal<Option<String>>,
    /// What is looked for.
    pub find: RwSignal<String>,
    change: Callback<MapFilter>,
}

impl MapState {
    /// Follows the URL and the drawing.
    pub fn new(filter: Memo<MapFilter>, drawing: Memo<Drawing>) -> Self {
        let change_url = StoredValue::new_local(use_change_query());
        let change = Callback::new(move |next: MapFilter| {
            change_url.with_value(|change| change(&|query: &mut Query| next.write(query)));
        });
        Self {
            filter,
            drawing,
            camera: RwSignal::new(None),
            size: RwSignal::new((0.0, 0.0)),
            hovered: RwSignal::new(None),
            current: RwSignal::new(None),
            find: RwSignal::new(String::new()),
            change,
        }
    }

    /// Changes the URL, and with it the page.
    pub fn change(self, change: impl FnOnce(&mut MapFilter)) {
        let mut filter = self.filter.get_untracked();
        change(&mut filter);
        if filter != self.filter.get_untracked() {
            self.change.run(filter);
        }
    }

    /// Selects a node or an edge, or nothing.
    pub fn select(self, selection: Option<Selection>) {
        self.change(|filter| filter.selection = selection);
    }

    /// Shows only what is around a node; all of the map if `focus` is empty.
    pub fn focus(self, focus: String, depth: Option<u32>) {
        self.change(|filter| {
            filter.focus = focus;
            filter.depth = depth;
        });
    }

    /// Shows everything that is drawn.
    pub fn fit(self) {
        let size = self.size.get_untracked();
        let bounds = self.drawing.with_untracked(Drawing::bounds);
        if let Some(bounds) = bounds.filter(|_| size.0 > 0.0) {
            self.camera.set(Some(Camera::fit(bounds, (size.0, size.1 - LEGEND_HEIGHT))));
        }
    }

    /// Zooms around the middle.
    pub fn zoom(self, factor: f64) {
        let (width, height) = self.size.get_untracked();
        self.camera.update(|camera| {
            *camera = camera.map(|camera| camera.zoomed(factor, (width / 2.0, height / 2.0)));
        });
    }

    /// Moves a card into sight.
    pub fn reveal(self, id: &str) {
        let bounds = self.drawing.with_untracked(|drawing| drawing.cards.get(id).map(Card::bounds));
        let size = self.size.get_untracked();
        if let Some(bounds) = bounds {
            self.camera.update(|camera| *camera = camera.map(|camera| camera.revealing(bounds, size)));
        }
    }

    /// Nodes whose names fit what is looked for, the best first.
    pub fn found(self) -> Vec<String> {
        let text = self.find.with(|text| text.trim().to_owned());
        if text.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<(i32, String)> = self.drawing.with(|drawing| {
            let cards = drawing.cards.values();
            cards.filter_map(|card| Some((score(&card.name, &text)?, card.id.clone()))).collect()
        });
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// What stands out: what the pointer is on, else what is looked for, else what is selected.
    pub fn emphasis(self) -> Memo<Option<Emphasis>> {
        let hovered = Memo::new(move |_| self.hovered.with(|it| it.as_ref().map(|it| it.0.clone())));
        let found = Memo::new(move |_| self.found());
        Memo::new(move |_| {
            let found = found.get();
            let chosen = match hovered.get() {
                Some(hovered) => hovered,
                None if !found.is_empty() => return Some((found.into_iter().collect(), HashSet::new())),
                None => self.filter.with(|filter| filter.selection.clone())?,
            };
            self.drawing.with(|drawing| match chosen {
                Selection::Node(id) => drawing.cards.contains_key(&id).then(|| drawing.around(&id)),
                Selection::Edge(caller, callee) => {
                    let key = (caller.clone(), callee.clone());
                    let is_drawn = drawing.curves.contains_key(&key);
                    is_drawn.then(|| (HashSet::from([caller, callee]), HashSet::from([key])))
                }
            })
        })
    }
}

/// The traces of a selection, all or those with this status of the span.
pub fn traces_href(range: RangeState, selection: &Selection, status: &'static str) -> String {
    let query = match selection {
        Selection::Edge(caller, callee) => Query::default()
            .with("caller", service_name(caller).unwrap_or(caller))
            .with("callee", service_name(callee).unwrap_or(callee)),
        Selection::Node(id) => match service_name(id) {
            Some(service) => Query::default().with("service", service),
            None => Query::default().with("callee", id.as_str()),
        },
    };
    range.href_with("/traces", query.with("status", status))
}

/// The service of an id; none if it is something else, or if its name would be taken for an id.
pub fn service_name(id: &str) -> Option<&str> {
    id.strip_prefix("service:").filter(|name| !name.contains(':'))
}
