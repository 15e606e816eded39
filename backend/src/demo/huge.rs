//! One very large trace: a job that indexes the whole catalogue again.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::attributes::Attributes;
use super::generate::shift;
use super::library::Library;
use super::model::DemoRng;
use super::resource::Process;
use super::shop::{HUGE_ITEM, HUGE_JOB};
use super::span::{DemoSpan, Ending};
use super::walk::Walk;
use super::world::WorldState;

/// Partitions that the job works on at the same time.
const LANES: usize = 8;

/// Exactly `spans_count` spans of one trace, which ends at `end_ns`.
pub fn spans(rng: &mut DemoRng, world: &WorldState, end_ns: u64, spans_count: usize) -> Vec<DemoSpan> {
    let mut walk = Walk::new(rng, world, spans_count);
    let service = HUGE_JOB.service;
    let process = Process { service, instance: 0, version: world.version(service, 0) };
    let context = walk.root_context();
    let what = |name: String| (SpanKind::Internal, Library::Own, name);
    let (root_index, root) =
        walk.begin(context, process, HUGE_JOB.handler, what("reindex catalog".to_owned()), end_ns);
    let lanes: Vec<_> = (0..LANES)
        .map(|lane| {
            walk.begin(
                root.context(false),
                process,
                HUGE_JOB.handler,
                what(format!("partition {lane}")),
                end_ns,
            )
        })
        .collect();
    let mut ends_ns = [end_ns; LANES];
    while !walk.is_full() {
        for ((_, lane), lane_end_ns) in lanes.iter().zip(&mut ends_ns) {
            *lane_end_ns = walk.step(&HUGE_ITEM, lane, *lane_end_ns).end_ns;
        }
    }
    for ((index, _), lane_end_ns) in lanes.iter().zip(ends_ns) {
        walk.end(*index, lane_end_ns, Ending::default());
    }
    let last_ns = ends_ns.into_iter().max().unwrap_or(end_ns);
    let attributes = Attributes::default().text("app.job.name", "reindex catalog");
    walk.end(root_index, last_ns, Ending { attributes, ..Ending::default() });

    // Parents come before their children, so cutting the end off leaves no orphan.
    let mut spans = walk.spans;
    spans.truncate(spans_count);
    for span in &mut spans {
        shift(span, -((last_ns - end_ns) as i64));
    }
    spans
}
