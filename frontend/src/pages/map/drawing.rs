//! The graph as it is drawn: cards, curves, widths, health. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use spanloom_analysis::Place;
use spanloom_model::api::{DependencyGraph, DependencyKind, DependencyNodeType, RedSummary};

use super::camera::Bounds;
use super::filter::MapFilter;
use super::places::{EdgeKey, Places};

/// Width of a card.
pub const CARD_WIDTH: f64 = 172.0;
/// Height of a card.
pub const CARD_HEIGHT: f64 = 44.0;

const COLUMN_WIDTH: f64 = CARD_WIDTH + 76.0;
const ROW_HEIGHT: f64 = CARD_HEIGHT + 20.0;

/// How far a curve leaves a card straight.
const REACH: f64 = 38.0;

/// Curves against the direction lie lower, so that a call and its return are two.
const BACK_OFFSET: f64 = 9.0;

const WIDTH_MIN: f64 = 1.25;
const WIDTH_MAX: f64 = 6.0;

/// How well calls go, by the share of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Fewer than 1% fail.
    Good,
    /// From 1%.
    Warning,
    /// From 5%.
    Bad,
}

impl Health {
    /// Of this share of errors, 0 to 1.
    pub fn of(error_rate: f64) -> Self {
        if error_rate >= 0.05 {
            Self::Bad
        } else if error_rate >= 0.01 {
            Self::Warning
        } else {
            Self::Good
        }
    }

    /// In CSS.
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// A card.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// The node's id.
    pub id: String,
    /// What it is.
    pub node_type: DependencyNodeType,
    /// Its name.
    pub name: String,
    /// A service's own numbers; of others, those of the calls to it.
    pub red: RedSummary,
    /// Left edge.
    pub x: f64,
    /// The middle.
    pub y: f64,
}

impl Card {
    /// Where it is.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            left: self.x,
            top: self.y - CARD_HEIGHT / 2.0,
            right: self.x + CARD_WIDTH,
            bottom: self.y + CARD_HEIGHT / 2.0,
        }
    }
}

/// All calls from one node to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// By kind.
    pub calls: Vec<(DependencyKind, RedSummary)>,
    /// Calls per second.
    pub rate: f64,
    /// Share of errors, 0 to 1.
    pub error_rate: f64,
    /// For SVG.
    pub path: String,
    /// Of the stroke.
    pub width: f64,
}

/// What is drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawing {
    /// By id.
    pub cards: BTreeMap<String, Card>,
    /// By caller and callee.
    pub curves: BTreeMap<EdgeKey, Curve>,
}

impl Drawing {
    /// Draws what the filter leaves of the graph; `services` are the services' own numbers.
    pub fn new(
        graph: &DependencyGraph,
        services: &HashMap<String, RedSummary>,
        filter: &MapFilter,
        places: &Places,
    ) -> Self {
        let mut drawing = Self::default();
        for edge in graph.edges.iter().filter(|edge| filter.shows(edge)) {
            let key = (edge.caller.clone(), edge.callee.clone());
            let curve = drawing.curves.entry(key).or_insert_with(|| Curve {
                calls: Vec::new(),
                rate: 0.0,
                error_rate: 0.0,
                path: String::new(),
                width: WIDTH_MIN,
            });
            curve.calls.push((edge.kind, edge.red));
        }
        let rate_max = drawing.measure();
        // What a filter leaves alone goes; what is looked at stays.
        let ends: HashSet<&str> =
            drawing.curves.keys().flat_map(|(caller, callee)| [caller.as_str(), callee.as_str()]).collect();
        let stays = |id: &str| ends.contains(id) || id == filter.focus || !filter.narrows();
        for node in graph.nodes.iter().filter(|node| stays(&node.id)) {
            let Some(place) = places.node(&node.id) else { continue };
            let own = services.get(&node.name).filter(|_| node.node_type == DependencyNodeType::Service);
            let card = Card {
                id: node.id.clone(),
                node_type: node.node_type,
                name: node.name.clone(),
                red: own.copied().unwrap_or(node.red),
                x: place.column * COLUMN_WIDTH,
                y: place.row * ROW_HEIGHT,
            };
            drawing.cards.insert(card.id.clone(), card);
        }
        let Self { cards, curves } = &mut drawing;
        curves.retain(|key, curve| {
            let (Some(from), Some(to)) = (cards.get(&key.0), cards.get(&key.1)) else { return false };
            curve.path = path(from, to, places.bends(key));
            curve.width = width(curve.rate, rate_max);
            true
        });
        drawing
    }

    /// Adds the kinds up; returns the highest rate.
    fn measure(&mut self) -> f64 {
        let mut rate_max: f64 = 0.0;
        for curve in self.curves.values_mut() {
            let failed = |(_, red): &(DependencyKind, RedSummary)| red.rate_per_second * red.error_rate;
            curve.rate = curve.calls.iter().map(|(_, red)| red.rate_per_second).sum();
            if curve.rate > 0.0 {
                curve.error_rate = curve.calls.iter().map(failed).sum::<f64>() / curve.rate;
            }
            rate_max = rate_max.max(curve.rate);
        }
        rate_max
    }

    /// Around all of it.
    pub fn bounds(&self) -> Option<Bounds> {
        let union = |a: Bounds, b: Bounds| Bounds {
            left: a.left.min(b.left),
            top: a.top.min(b.top),
            right: a.right.max(b.right),
            bottom: a.bottom.max(b.bottom),
        };
        self.cards.values().map(Card::bounds).reduce(union)
    }

    /// The node and its neighbours, with the edges between it and them.
    pub fn around(&self, id: &str) -> (HashSet<String>, HashSet<EdgeKey>) {
        let edges: HashSet<EdgeKey> =
            self.curves.keys().filter(|(a, b)| a == id || b == id).cloned().collect();
        let ends = edges.iter().flat_map(|(a, b)| [a.clone(), b.clone()]);
        (ends.chain([id.to_owned()]).collect(), edges)
    }

    /// Where an arrow key leads from a node: to the nearest one in that direction.
    pub fn towards(&self, id: &str, key: &str) -> Option<&str> {
        let from = self.cards.get(id)?;
        let (dx, dy) = match key {
            "ArrowRight" => (1.0, 0.0),
            "ArrowLeft" => (-1.0, 0.0),
            "ArrowDown" => (0.0, 1.0),
            "ArrowUp" => (0.0, -1.0),
            _ => return None,
        };
        let distance = |card: &&Card| {
            let (x, y) = (card.x - from.x, card.y - from.y);
            let along = x * dx + y * dy;
            // What lies aside counts as further than it is.
            (along > 1.0).then(|| along + 2.0 * (x * dy + y * dx).abs())
        };
        let others = self.cards.values().filter_map(|card| Some((distance(&card)?, card)));
        others.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, card)| card.id.as_str())
    }
}

/// Logarithmic: rates differ by orders of magnitude.
fn width(rate: f64, rate_max: f64) -> f64 {
    let share = if rate_max > 0.0 { (1.0 + rate * 60.0).ln() / (1.0 + rate_max * 60.0).ln() } else { 0.0 };
    WIDTH_MIN + (WIDTH_MAX - WIDTH_MIN) * share.clamp(0.0, 1.0)
}

/// From the caller's side to the callee's, through the bends.
fn path(from: &Card, to: &Card, bends: &[Place]) -> String {
    if from.id == to.id {
        return loop_path(from);
    }
    // Forward to the right; back, and within a layer, out of the left side.
    let is_forward = to.x > from.x + 1.0;
    let (start_x, end_x, sign, offset) = if is_forward {
        (from.x + CARD_WIDTH, to.x, 1.0, 0.0)
    } else {
        (from.x, to.x + CARD_WIDTH, -1.0, BACK_OFFSET)
    };
    let is_beside = (to.x - from.x).abs() <= 1.0;
    let end_x = if is_beside { to.x } else { end_x };
    let mut path = format!("M{start_x:.1} {:.1}", from.y + offset);
    let (mut x, mut y) = (start_x, from.y + offset);
    for bend in bends {
        let (left, row) = (bend.column * COLUMN_WIDTH, bend.row * ROW_HEIGHT + offset);
        let (enter, leave) = if is_forward { (left, left + CARD_WIDTH) } else { (left + CARD_WIDTH, left) };
        curve_to(&mut path, (x, y), (enter, row), sign, sign);
        // Writing into a string does not fail.
        let _ = write!(path, "H{leave:.1}");
        (x, y) = (leave, row);
    }
    // Beside each other both ends are on the left, and the arrow points to the right.
    let arrives = if is_beside { 1.0 } else { sign };
    curve_to(&mut path, (x, y), (end_x, to.y + offset), sign, arrives);
    path
}

fn curve_to(path: &mut String, from: (f64, f64), to: (f64, f64), leaves: f64, arrives: f64) {
    let reach = REACH.max((to.0 - from.0).abs() / 2.0);
    // Writing into a string does not fail.
    let _ = write!(
        path,
        "C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
        from.0 + leaves * reach,
        from.1,
        to.0 - arrives * reach,
        to.1,
        to.0,
        to.1
    );
}

/// Out of the card's upper edge and back into it.
fn loop_path(card: &Card) -> String {
    let (x, y) = (card.x + CARD_WIDTH - 40.0, card.y - CARD_HEIGHT / 2.0);
    format!(
        "M{:.1} {y:.1}C{:.1} {:.1} {:.1} {:.1} {x:.1} {y:.1}",
        x + 26.0,
        x + 32.0,
        y - 18.0,
        x - 6.0,
        y - 18.0
    )
}

/// The name in at most so many characters, its middle left out: names differ at both ends.
pub fn shortened(name: &str, chars_max: usize) -> String {
    let chars: Vec<char> = name.chars().collect();
    if chars.len() <= chars_max {
        return name.to_owned();
    }
    let kept = chars_max.saturating_sub(1);
    let head = kept - kept / 2;
    let part = |chars: &[char]| chars.iter().collect::<String>();
    format!("{}…{}", part(&chars[..head]), part(&chars[chars.len() - kept / 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanloom_model::api::{DependencyEdge, DependencyNode};

    fn graph() -> DependencyGraph {
        let red =
            |rate, error_rate| RedSummary { rate_per_second: rate, error_rate, ..RedSummary::default() };
        let node = |id: &str, node_type| DependencyNode {
            id: id.to_owned(),
            node_type,
            name: id.split_once(':').unwrap().1.to_owned(),
            red: red(1.0, 0.0),
        };
        let edge = |caller: &str, callee: &str, kind, rate, errors| DependencyEdge {
            caller: caller.to_owned(),
            callee: callee.to_owned(),
            kind,
            red: red(rate, errors),
        };
        DependencyGraph {
            nodes: vec![
                node("database:x", DependencyNodeType::Database),
                node("service:a", DependencyNodeType::Service),
                node("service:b", DependencyNodeType::Service),
            ],
            edges: vec![
                edge("service:a", "service:b", DependencyKind::Http, 9.0, 0.0),
                edge("service:a", "service:b", DependencyKind::Rpc, 1.0, 0.6),
                edge("service:b", "service:a", DependencyKind::Http, 1.0, 0.0),
                edge("service:b", "service:b", DependencyKind::Http, 1.0, 0.0),
                edge("service:b", "database:x", DependencyKind::Database, 100.0, 0.0),
            ],
        }
    }

    fn draw(filter: &MapFilter) -> Drawing {
        let graph = graph();
        let nodes: Vec<&str> = graph.nodes.iter().map(|node| node.id.as_str()).collect();
        let edges: Vec<EdgeKey> =
            graph.edges.iter().map(|edge| (edge.caller.clone(), edge.callee.clone())).collect();
        let own = RedSummary { rate_per_second: 7.0, ..RedSummary::default() };
        let services = HashMap::from([("a".to_owned(), own)]);
        Drawing::new(&graph, &services, filter, &Places::fresh(&nodes, &edges))
    }

    fn key(caller: &str, callee: &str) -> EdgeKey {
        (caller.to_owned(), callee.to_owned())
    }

    // Catches kinds drawn over each other, errors of one kind that vanish in the sum, and thin busy edges.
    #[test]
    fn kinds_of_calls_are_one_curve() {
        let drawing = draw(&MapFilter::default());
        assert_eq!(drawing.curves.len(), 4);
        let both = &drawing.curves[&key("service:a", "service:b")];
        assert_eq!((both.rate, both.calls.len()), (10.0, 2));
        assert!((both.error_rate - 0.06).abs() < 1e-9);
        assert_eq!(Health::of(both.error_rate), Health::Bad);
        let busy = &drawing.curves[&key("service:b", "database:x")];
        assert!(busy.width >= WIDTH_MAX && both.width < busy.width && both.width > WIDTH_MIN);
        let own = drawing.cards["service:a"].red.rate_per_second;
        assert!((own - 7.0).abs() < 1e-9, "what a service does is known although nobody calls it: {own}");
    }

    // Catches curves that end at the wrong side, and a return that hides the call.
    #[test]
    fn curves_lead_from_side_to_side() {
        let drawing = draw(&MapFilter::default());
        let path = |caller: &str, callee: &str| drawing.curves[&key(caller, callee)].path.clone();
        let (a, b) = (&drawing.cards["service:a"], &drawing.cards["service:b"]);
        assert!(path("service:a", "service:b").starts_with(&format!("M{:.1} {:.1}C", CARD_WIDTH, a.y)));
        assert!(path("service:a", "service:b").ends_with(&format!(" {:.1} {:.1}", b.x, b.y)));
        let back = path("service:b", "service:a");
        assert!(back.starts_with(&format!("M{:.1} {:.1}C", b.x, b.y + BACK_OFFSET)), "{back}");
        assert!(back.ends_with(&format!(" {:.1} {:.1}", a.x + CARD_WIDTH, a.y + BACK_OFFSET)), "{back}");
        assert_eq!(path("service:b", "service:b").matches('C').count(), 1);
    }

    // Catches nodes that stay without an edge, and a focus that vanishes.
    #[test]
    fn a_filter_takes_edges_and_what_they_leave_alone() {
        let hide = |focus: &str| {
            let hidden = vec![DependencyKind::Database];
            draw(&MapFilter { hidden, focus: focus.to_owned(), ..MapFilter::default() })
        };
        assert_eq!(hide("").cards.keys().collect::<Vec<_>>(), ["service:a", "service:b"]);
        assert!(hide("database:x").cards.contains_key("database:x"));
        let places = |drawing: &Drawing| drawing.cards["service:b"].bounds();
        assert_eq!(places(&hide("")), places(&draw(&MapFilter::default())), "nothing moves");
    }

    // Catches keys that lead nowhere or jump across the map.
    #[test]
    fn arrows_lead_to_the_nearest_card() {
        let drawing = draw(&MapFilter::default());
        assert_eq!(drawing.towards("service:a", "ArrowRight"), Some("service:b"));
        assert_eq!(drawing.towards("service:b", "ArrowLeft"), Some("service:a"));
        assert_eq!(drawing.towards("service:a", "ArrowLeft"), None);
        let (nodes, edges) = drawing.around("service:a");
        assert_eq!((nodes.len(), edges.len()), (2, 2));
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shortened("checkout", 8), "checkout");
        assert_eq!(shortened("payment-gateway-eu", 9), "paym…y-eu");
        assert_eq!(shortened("äöüäöü", 5), "äö…öü");
    }
}
