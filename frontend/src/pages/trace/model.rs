//! A trace as the page needs it: everything that does not depend on what is selected, collapsed or
//! zoomed, computed once. Pure.

use std::collections::HashMap;

use spanloom_analysis::{ChildTime, Interval, Segment, Tree, TreeSpan, critical_path};
use spanloom_model::api::{ApiSpan, Trace, TraceWarning};
use spanloom_model::{AttrValue, Resource, SpanId, SpanStatus};

/// A service's part in the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePart {
    /// `service.name`.
    pub name: String,
    /// Its spans.
    pub spans: usize,
    /// Its spans that failed.
    pub errors: usize,
}

/// A trace with its tree, times and figures. A span is its index in `trace.spans`.
pub struct TraceModel {
    /// As the server sent it.
    pub trace: Trace,
    /// Who called whom.
    pub tree: Tree,
    /// When each span ran, in nanoseconds after the start of the trace.
    pub times: Vec<Interval>,
    /// When each span had children at work.
    pub child_time: ChildTime,
    /// From the first start to the last end; never empty, so that it can be divided by.
    pub bounds: Interval,
    /// By span count, most first.
    pub services: Vec<ServicePart>,
    /// Pre-order positions of the spans that failed, ascending.
    pub errors: Vec<usize>,
    /// Index into `services` by resource.
    service_of_resource: Vec<usize>,
    /// The critical path sorted by span, then time.
    critical: Vec<Segment>,
    by_id: HashMap<SpanId, usize>,
    /// (span, index into `trace.warnings`), sorted.
    warnings: Vec<(usize, usize)>,
}

impl TraceModel {
    /// Analyses the trace; none if it has no spans.
    pub fn new(trace: Trace) -> Option<Self> {
        if trace.spans.is_empty() {
            return None;
        }
        let times: Vec<Interval> =
            trace.spans.iter().map(|span| Interval::new(span.start_offset_ns, span.duration_ns)).collect();
        let shape = |span: &ApiSpan| TreeSpan {
            span_id: span.span_id,
            parent_span_id: span.parent_span_id,
            start_ns: span.start_offset_ns,
            duration_ns: span.duration_ns,
        };
        let tree = Tree::new(&trace.spans.iter().map(shape).collect::<Vec<_>>());
        let mut critical = critical_path(&tree, &times, tree.entry_points());
        critical.sort_by_key(|segment| (segment.span, segment.time.start_ns));

        let start_ns = times.iter().map(|time| time.start_ns).min().unwrap_or_default();
        let end_ns = times.iter().map(|time| time.end_ns).max().unwrap_or_default();
        let bounds = Interval { start_ns, end_ns: end_ns.max(start_ns.saturating_add(1)) };

        let failed = |&position: &usize| is_error(&trace.spans[tree.preorder()[position]]);
        let errors = (0..tree.len()).filter(failed).collect();
        let (services, service_of_resource) = services(&trace);
        let mut by_id = HashMap::with_capacity(trace.spans.len());
        for (index, span) in trace.spans.iter().enumerate() {
            // Of spans with the same id, the first is meant: it has the children.
            by_id.entry(span.span_id).or_insert(index);
        }
        let about = |(index, warning): (usize, &TraceWarning)| Some((warning.span? as usize, index));
        let mut warnings: Vec<_> = trace.warnings.iter().enumerate().filter_map(about).collect();
        warnings.sort_unstable();

        let child_time = ChildTime::new(&tree, &times);
        Some(Self {
            trace,
            tree,
            times,
            child_time,
            bounds,
            services,
            errors,
            service_of_resource,
            critical,
            by_id,
            warnings,
        })
    }

    /// The span that the trace is named after.
    pub fn root(&self) -> usize {
        self.tree.roots()[0]
    }

    /// The span with the id; the first if there are several.
    pub fn find_id(&self, span_id: SpanId) -> Option<usize> {
        self.by_id.get(&span_id).copied()
    }

    /// A span as the server sent it.
    pub fn span(&self, span: usize) -> &ApiSpan {
        &self.trace.spans[span]
    }

    /// Index into `services` of the span's service.
    pub fn service_index(&self, span: usize) -> usize {
        // An index that the server made up belongs to the last service, the unknown one.
        let last = self.services.len() - 1;
        self.service_of_resource.get(self.span(span).resource as usize).copied().unwrap_or(last)
    }

    /// The span's service.
    pub fn service(&self, span: usize) -> &str {
        &self.services[self.service_index(span)].name
    }

    /// Whether the span failed.
    pub fn is_error(&self, span: usize) -> bool {
        is_error(self.span(span))
    }

    /// Why the span failed in a few words: the status message, else the exception's type; none if
    /// it did not fail or did not say.
    pub fn error_text(&self, span: usize) -> Option<&str> {
        let span = self.span(span);
        if !is_error(span) {
            return None;
        }
        if !span.status_message.is_empty() {
            return Some(&span.status_message);
        }
        let exception =
            span.events.iter().rev().find_map(|event| event.attributes.get_str("exception.type"));
        exception.or_else(|| match span.attributes.get("error.type")? {
            AttrValue::String(text) => Some(text),
            _ => None,
        })
    }

    /// The parts of the critical path that are the span's own time, in order.
    pub fn critical(&self, span: usize) -> &[Segment] {
        let start = self.critical.partition_point(|segment| segment.span < span);
        let end = self.critical.partition_point(|segment| segment.span <= span);
        &self.critical[start..end]
    }

    /// The whole critical path, sorted by span.
    pub fn critical_path(&self) -> &[Segment] {
        &self.critical
    }

    /// Time of the span on the critical path, in nanoseconds.
    pub fn critical_ns(&self, span: usize) -> i64 {
        self.critical(span).iter().map(|segment| segment.time.duration_ns()).sum()
    }

    /// What is odd about the span.
    pub fn warnings(&self, span: usize) -> impl Iterator<Item = &TraceWarning> {
        let start = self.warnings.partition_point(|&(of, _)| of < span);
        let end = self.warnings.partition_point(|&(of, _)| of <= span);
        self.warnings[start..end].iter().map(|&(_, index)| &self.trace.warnings[index])
    }

    /// The span's position as the first root's descendants see it: `a › b › c`, ends included.
    pub fn path_text(&self, span: usize) -> String {
        let mut path: Vec<usize> = self.tree.ancestors(span).take(64).collect();
        path.reverse();
        path.push(span);
        let name = |&span: &usize| format!("{} {}", self.service(span), self.span(span).name);
        path.iter().map(name).collect::<Vec<_>>().join(" › ")
    }
}

fn is_error(span: &ApiSpan) -> bool {
    span.status == SpanStatus::Error
}

/// Services by span count, and the service of each resource.
fn services(trace: &Trace) -> (Vec<ServicePart>, Vec<usize>) {
    let mut index_of: HashMap<&str, usize> = HashMap::new();
    let mut parts: Vec<ServicePart> = Vec::new();
    let mut part_of_resource = Vec::with_capacity(trace.resources.len());
    for resource in &trace.resources {
        let index = *index_of.entry(&resource.service).or_insert_with(|| {
            parts.push(ServicePart { name: resource.service.clone(), spans: 0, errors: 0 });
            parts.len() - 1
        });
        part_of_resource.push(index);
    }
    if trace.spans.iter().any(|span| span.resource as usize >= trace.resources.len()) {
        parts.push(ServicePart { name: Resource::UNKNOWN_SERVICE.to_owned(), spans: 0, errors: 0 });
    }
    let last = parts.len() - 1;
    for span in &trace.spans {
        let part = &mut parts[part_of_resource.get(span.resource as usize).copied().unwrap_or(last)];
        part.spans += 1;
        part.errors += usize::from(is_error(span));
    }
    // The unknown service has to stay last; a stable order keeps the colours of a legend in place.
    let known = if part_of_resource.iter().max().is_none_or(|&max| max < last) { last } else { last + 1 };
    let mut order: Vec<usize> = (0..known).collect();
    order.sort_by(|&a, &b| (parts[b].spans, &parts[a].name).cmp(&(parts[a].spans, &parts[b].name)));
    order.extend(known..parts.len());
    let mut rank = vec![0; parts.len()];
    for (place, &part) in order.iter().enumerate() {
        rank[part] = place;
    }
    let sorted = order.iter().map(|&part| parts[part].clone()).collect();
    (sorted, part_of_resource.into_iter().map(|part| rank[part]).collect())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use spanloom_model::SpanKind;
    use spanloom_model::api::{ApiResource, TraceWarningKind};
    use spanloom_model::{Attributes, TraceId};

    /// A span without anything beyond the arguments; `parent` 0 is none.
    pub fn span(id: u64, parent: u64, resource: u32, start_offset_ns: i64, duration_ns: i64) -> ApiSpan {
        ApiSpan {
            span_id: SpanId::new(id).unwrap(),
            parent_span_id: SpanId::new(parent).ok(),
            name: format!("op{id}"),
            kind: SpanKind::Internal,
            resource,
            scope: 0,
            start_offset_ns,
            duration_ns,
            skew_ns: 0,
            status: SpanStatus::Unset,
            status_message: String::new(),
            attributes: Attributes::default(),
            events: Vec::new(),
            links: Vec::new(),
            trace_state: String::new(),
            flags: 0,
            dropped_attributes_count: 0,
            dropped_events_count: 0,
            dropped_links_count: 0,
        }
    }

    /// A trace of the spans; resource `i` is the i-th service.
    pub fn trace(services: &[&str], spans: Vec<ApiSpan>) -> Trace {
        let resource = |service: &&str| ApiResource {
            service: (*service).to_owned(),
            attributes: Attributes::from_entries(vec![("service.name".into(), (*service).into())]),
            dropped_attributes_count: 0,
            schema_url: String::new(),
        };
        Trace {
            trace_id: TraceId::new(1).unwrap(),
            start_time: chrono::DateTime::UNIX_EPOCH,
            duration_ns: 100,
            spans,
            resources: services.iter().map(resource).collect(),
            scopes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn services_are_counted_across_their_processes() {
        let mut spans = vec![
            span(1, 0, 0, 0, 100),
            span(2, 1, 1, 10, 20),
            span(3, 1, 2, 40, 20),
            span(4, 1, 1, 70, 20),
        ];
        spans[2].status = SpanStatus::Error;
        let model = TraceModel::new(trace(&["web", "db", "db"], spans)).unwrap();
        let found: Vec<_> = model.services.iter().map(|s| (s.name.as_str(), s.spans, s.errors)).collect();
        assert_eq!(found, [("db", 3, 1), ("web", 1, 0)]);
        assert_eq!(model.service(0), "web");
        assert_eq!(model.service(2), "db");
        assert_eq!(model.errors, [2]);
        assert_eq!(model.path_text(2), "web op1 › db op3");
    }

    #[test]
    fn a_resource_that_is_not_there_does_not_take_the_page_down() {
        let model = TraceModel::new(trace(
            &["web"],
            vec![span(1, 0, 0, 0, 9), span(2, 1, 7, 0, 9), span(3, 1, 7, 0, 9)],
        ))
        .unwrap();
        assert_eq!(model.service(1), "unknown_service");
        assert_eq!(model.service(0), "web");
        assert!(TraceModel::new(trace(&[], Vec::new())).is_none());
    }

    #[test]
    fn warnings_and_critical_path_are_found_by_span() {
        let mut trace =
            trace(&["web"], vec![span(1, 0, 0, 0, 100), span(2, 1, 0, 10, 50), span(3, 1, 0, 20, 70)]);
        let warning = |span| TraceWarning { kind: TraceWarningKind::ClockSkew, span, message: "m".into() };
        trace.warnings = vec![warning(Some(2)), warning(None), warning(Some(1))];
        let model = TraceModel::new(trace).unwrap();
        assert_eq!(model.warnings(2).count(), 1);
        assert_eq!(model.warnings(0).count(), 0);
        assert_eq!(model.critical_ns(2), 70);
        assert_eq!(model.critical_ns(1), 0);
        assert_eq!(model.critical_ns(0), 30);
    }
}
