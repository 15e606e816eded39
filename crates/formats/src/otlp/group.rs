//! Spans by what they have in common, as OTLP sends them.

use std::collections::HashMap;
use std::sync::Arc;

use spanloom_model::{Resource, Scope, Span};

use super::encode::{resource_message, scope_message};

/// The spans of one process.
pub(crate) struct ResourceGroup<'a> {
    pub resource: &'a Resource,
    /// The same as an OTLP message.
    pub message: Vec<u8>,
    pub scopes: Vec<ScopeGroup<'a>>,
}

/// Those of them that one library made.
pub(crate) struct ScopeGroup<'a> {
    pub scope: &'a Scope,
    /// The same as an OTLP message.
    pub message: Vec<u8>,
    pub spans: Vec<&'a Span>,
}

/// Groups the spans; what comes first stays first.
pub(crate) fn group<'a>(spans: impl IntoIterator<Item = &'a Span>) -> Vec<ResourceGroup<'a>> {
    let mut groups: Vec<ResourceGroup> = Vec::new();
    let mut known = Known::default();
    let mut last = None;
    for span in spans {
        let pointers = (Arc::as_ptr(&span.resource), Arc::as_ptr(&span.scope));
        let (resource, scope) = match last {
            Some((same, place)) if same == pointers => place,
            _ => *known
                .pointers
                .entry(pointers)
                .or_insert_with(|| place(span, &mut groups, &mut known.resources, &mut known.scopes)),
        };
        last = Some((pointers, (resource, scope)));
        groups[resource].scopes[scope].spans.push(span);
    }
    groups
}

/// A schema's URL stands beside the message and not within it.
type Content<'a> = (Vec<u8>, &'a str);

/// Where a group stands: the resource, and within it the scope.
type Place = (usize, usize);

/// Where groups stand that there are already: by address, which is cheap, and by content, because
/// the same process may have been decoded from several requests.
#[derive(Default)]
struct Known<'a> {
    pointers: HashMap<(*const Resource, *const Scope), Place>,
    resources: HashMap<Content<'a>, usize>,
    scopes: HashMap<(usize, Content<'a>), usize>,
}

fn place<'a>(
    span: &'a Span,
    groups: &mut Vec<ResourceGroup<'a>>,
    resources: &mut HashMap<Content<'a>, usize>,
    scopes: &mut HashMap<(usize, Content<'a>), usize>,
) -> Place {
    let message = resource_message(&span.resource);
    let resource = *resources.entry((message, &span.resource.schema_url)).or_insert_with_key(|content| {
        groups.push(ResourceGroup {
            resource: &span.resource,
            message: content.0.clone(),
            scopes: Vec::new(),
        });
        groups.len() - 1
    });
    let message = scope_message(&span.scope);
    let scope = scopes.entry((resource, (message, &span.scope.schema_url)));
    let scope = *scope.or_insert_with_key(|(_, content)| {
        let scopes = &mut groups[resource].scopes;
        scopes.push(ScopeGroup { scope: &span.scope, message: content.0.clone(), spans: Vec::new() });
        scopes.len() - 1
    });
    (resource, scope)
}
