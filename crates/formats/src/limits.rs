//! How much one span or log record may bring along. What is beyond is cut off and counted; nothing is refused
//! because a part of it is long.

mod logs;

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spanloom_model::{AttrValue, Attributes, Event, Link, Resource, Scope, Span};

use crate::otlp::VALUE_DEPTH_MAX;

/// What an element of a list or map counts at least, in bytes.
const ELEMENT_BYTES: usize = 8;

/// What the model itself reads of a resource stays, wherever it stands in the order of keys.
const KEPT: [&str; 2] = ["service.name", "service.version"];

/// Limits on the parts of a span, and of a log record. The defaults are at least twice those of OpenTelemetry's SDKs.
///
/// Of attributes those with the first keys stay, of events and links the first. Arrays and maps
/// nested deeper than 24 levels become their JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Attributes of a span.
    pub attributes_per_span: usize,
    /// Attributes of an event.
    pub attributes_per_event: usize,
    /// Attributes of a link.
    pub attributes_per_link: usize,
    /// Attributes of a resource, and of a scope.
    pub attributes_per_resource: usize,
    /// Attributes of a log record.
    pub attributes_per_log: usize,
    /// Events of a span.
    pub events_per_span: usize,
    /// Links of a span.
    pub links_per_span: usize,
    /// An attribute's value, in bytes: text, bytes, or all that is in an array or a map, each
    /// element counting eight more. Also the status message.
    pub attribute_value_bytes: usize,
    /// The body of a log record, in bytes, counted like an attribute's value.
    pub log_body_bytes: usize,
    /// An attribute's key, in bytes.
    pub attribute_key_bytes: usize,
    /// Names of spans, events, severities and scopes, a scope's version, URLs of schemas, and trace state, in
    /// bytes.
    pub name_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attributes_per_span: 256,
            attributes_per_event: 256,
            attributes_per_link: 256,
            attributes_per_resource: 512,
            attributes_per_log: 256,
            events_per_span: 256,
            links_per_span: 256,
            attribute_value_bytes: 32 << 10,
            log_body_bytes: 64 << 10,
            attribute_key_bytes: 1 << 10,
            name_bytes: 4 << 10,
        }
    }
}

/// What was beyond the limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limited {
    /// Spans or log records that are not as they were sent, their resource and scope included.
    pub spans_changed: u64,
    /// Values, names, keys and messages that were cut, those of a shared resource once.
    pub values_truncated: u64,
    /// Attributes left out.
    pub attributes_dropped: u64,
    /// Events left out.
    pub events_dropped: u64,
    /// Links left out.
    pub links_dropped: u64,
}

impl Limited {
    /// Whether anything is not as it was sent.
    pub fn changed(&self) -> bool {
        self.spans_changed > 0
    }
}

impl Limits {
    /// Cuts what is beyond the limits and raises the span's dropped counts; tells whether anything
    /// was. Resource and scope are left alone: see [`Self::apply_all`].
    pub fn apply(&self, span: &mut Span) -> bool {
        self.span(span, &mut Limited::default())
    }

    /// The same for a resource.
    pub fn apply_resource(&self, resource: &mut Resource) -> bool {
        self.resource(resource, &mut Limited::default())
    }

    /// The same for a scope.
    pub fn apply_scope(&self, scope: &mut Scope) -> bool {
        self.scope(scope, &mut Limited::default())
    }

    /// The same for spans with their resources and scopes. Each of these is looked at once, and what
    /// was shared stays shared.
    pub fn apply_all(&self, spans: &mut [Span]) -> Limited {
        let mut limited = Limited::default();
        let (mut resources, mut scopes) = (Shared::default(), Shared::default());
        for span in spans {
            let mut changed = self.span(span, &mut limited);
            changed |=
                resources.apply(&mut span.resource, |resource| self.resource(resource, &mut limited));
            changed |= scopes.apply(&mut span.scope, |scope| self.scope(scope, &mut limited));
            limited.spans_changed += u64::from(changed);
        }
        limited
    }

    fn span(&self, span: &mut Span, limited: &mut Limited) -> bool {
        let mut change = Change { limits: self, limited, changed: false };
        change.name(&mut span.name);
        change.trace_state(&mut span.trace_state);
        change.text(&mut span.status_message, self.attribute_value_bytes);
        change.attributes(
            &mut span.attributes,
            self.attributes_per_span,
            &mut span.dropped_attributes_count,
        );
        let events_sent = span.events.len();
        span.events.truncate(self.events_per_span);
        let dropped = change.dropped(events_sent, span.events.len(), &mut span.dropped_events_count);
        change.limited.events_dropped += dropped;
        let links_sent = span.links.len();
        span.links.truncate(self.links_per_span);
        let dropped = change.dropped(links_sent, span.links.len(), &mut span.dropped_links_count);
        change.limited.links_dropped += dropped;
        for Event { name, attributes, dropped_attributes_count, .. } in &mut span.events {
            change.name(name);
            change.attributes(attributes, self.attributes_per_event, dropped_attributes_count);
        }
        for Link { trace_state, attributes, dropped_attributes_count, .. } in &mut span.links {
            change.trace_state(trace_state);
            change.attributes(attributes, self.attributes_per_link, dropped_attributes_count);
        }
        change.changed
    }

    fn resource(&self, resource: &mut Resource, limited: &mut Limited) -> bool {
        let mut change = Change { limits: self, limited, changed: false };
        change.attributes(
            &mut resource.attributes,
            self.attributes_per_resource,
            &mut resource.dropped_attributes_count,
        );
        change.name(&mut resource.schema_url);
        change.changed
    }

    fn scope(&self, scope: &mut Scope, limited: &mut Limited) -> bool {
        let mut change = Change { limits: self, limited, changed: false };
        change.name(&mut scope.name);
        change.name(&mut scope.version);
        change.attributes(
            &mut scope.attributes,
            self.attributes_per_resource,
            &mut scope.dropped_attributes_count,
        );
        change.name(&mut scope.schema_url);
        change.changed
    }
}

/// What happens to one span, resource or scope.
struct Change<'a> {
    limits: &'a Limits,
    limited: &'a mut Limited,
    changed: bool,
}

impl Change<'_> {
    fn truncated(&mut self, truncated: bool) {
        if truncated {
            self.limited.values_truncated += 1;
            self.changed = true;
        }
    }

    fn text(&mut self, text: &mut String, bytes_max: usize) {
        let truncated = cut(text, bytes_max);
        self.truncated(truncated);
    }

    fn name(&mut self, name: &mut String) {
        self.text(name, self.limits.name_bytes);
    }

    /// A list: half a member means something else than a whole one.
    fn trace_state(&mut self, list: &mut String) {
        if list.len() > self.limits.name_bytes {
            let whole = list.as_bytes()[..=self.limits.name_bytes].iter().rposition(|byte| *byte == b',');
            list.truncate(whole.unwrap_or(0));
            self.truncated(true);
        }
    }

    /// Counts what was dropped from a list.
    fn dropped(&mut self, sent: usize, kept: usize, count: &mut u32) -> u64 {
        let dropped = sent - kept;
        if dropped > 0 {
            *count = count.saturating_add(u32::try_from(dropped).unwrap_or(u32::MAX));
            self.changed = true;
        }
        dropped as u64
    }

    fn attributes(&mut self, attributes: &mut Attributes, count_max: usize, dropped_count: &mut u32) {
        let sent = attributes.len();
        let mut room = count_max;
        if sent > count_max {
            room = room.saturating_sub(KEPT.iter().filter(|key| attributes.get(key).is_some()).count());
        }
        let (mut long_keys, mut truncated) = (false, 0);
        attributes.retain(|key, value| {
            if !(sent > count_max && KEPT.contains(&key)) {
                if room == 0 {
                    return false;
                }
                room -= 1;
            }
            long_keys |= key.len() > self.limits.attribute_key_bytes;
            let mut bytes_left = self.limits.attribute_value_bytes;
            truncated += u64::from(fit(value, &mut bytes_left, VALUE_DEPTH_MAX));
            true
        });
        if long_keys {
            let mut entries = std::mem::take(attributes).into_keyed();
            for (key, _) in &mut entries {
                if key.len() > self.limits.attribute_key_bytes {
                    key.truncate(key.floor_char_boundary(self.limits.attribute_key_bytes));
                    truncated += 1;
                }
            }
            // Of keys that are now the same one stays; the others count as dropped.
            *attributes = Attributes::from_keyed(entries);
        }
        self.limited.values_truncated += truncated;
        self.changed |= truncated > 0;
        let dropped = self.dropped(sent, attributes.len(), dropped_count);
        self.limited.attributes_dropped += dropped;
    }
}

/// Makes a value fit into the bytes that are left, and into the levels; tells whether it did not.
fn fit(value: &mut AttrValue, bytes_left: &mut usize, depth_left: usize) -> bool {
    match value {
        AttrValue::Null | AttrValue::Bool(_) | AttrValue::Int(_) | AttrValue::Double(_) => false,
        AttrValue::String(text) => {
            let truncated = cut(text, *bytes_left);
            *bytes_left -= text.len();
            truncated
        }
        AttrValue::Bytes(bytes) => {
            let sent = bytes.len();
            bytes.truncate(*bytes_left);
            *bytes_left -= bytes.len();
            bytes.len() < sent
        }
        AttrValue::Array(_) | AttrValue::Map(_) if depth_left == 0 => {
            let mut text = value.to_string();
            cut(&mut text, *bytes_left);
            *bytes_left -= text.len();
            *value = AttrValue::String(text);
            true
        }
        AttrValue::Array(values) => {
            let sent = values.len();
            let mut truncated = false;
            values.retain_mut(|value| {
                let fits = take(bytes_left, ELEMENT_BYTES);
                truncated |= fits && fit(value, bytes_left, depth_left - 1);
                fits
            });
            truncated || values.len() < sent
        }
        AttrValue::Map(map) => {
            let sent = map.len();
            let mut truncated = false;
            map.retain(|key, value| {
                let fits = take(bytes_left, ELEMENT_BYTES + key.len());
                truncated |= fits && fit(value, bytes_left, depth_left - 1);
                fits
            });
            truncated || map.len() < sent
        }
    }
}

/// Takes `bytes` of what is left. Once they do not fit nothing does: what stays is a beginning.
fn take(bytes_left: &mut usize, bytes: usize) -> bool {
    let left = bytes_left.checked_sub(bytes);
    *bytes_left = left.unwrap_or(0);
    left.is_some()
}

fn cut(text: &mut String, bytes_max: usize) -> bool {
    let long = text.len() > bytes_max;
    if long {
        text.truncate(text.floor_char_boundary(bytes_max));
    }
    long
}

/// What spans share, as it was and, if it was beyond the limits, as it is now.
struct Shared<T> {
    seen: HashMap<*const T, (Arc<T>, Option<Arc<T>>)>,
    last: Option<(Arc<T>, Option<Arc<T>>)>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { seen: HashMap::new(), last: None }
    }
}

impl<T: Clone> Shared<T> {
    /// Replaces `shared` by what `limit` makes of it, which is asked once.
    fn apply(&mut self, shared: &mut Arc<T>, limit: impl FnOnce(&mut T) -> bool) -> bool {
        // Spans of a process come together as a rule.
        let known = match &mut self.last {
            Some(last) if Arc::ptr_eq(&last.0, shared) => last,
            last => {
                let entry = self.seen.entry(Arc::as_ptr(shared)).or_insert_with(|| {
                    let mut copy = T::clone(shared);
                    (Arc::clone(shared), limit(&mut copy).then(|| Arc::new(copy)))
                });
                last.insert(entry.clone())
            }
        };
        let Some(replacement) = &known.1 else { return false };
        *shared = Arc::clone(replacement);
        true
    }
}
