//! Spans or log records by what they have in common, as OTLP sends them.

use std::collections::HashMap;
use std::sync::Arc;

use spanloom_model::{Produced, Resource, Scope};

use super::encode::{resource_message, scope_message};

/// What one process produced.
pub(crate) struct ResourceGroup<'a, T> {
    pub resource: &'a Resource,
    /// The same as an OTLP message.
    pub message: Vec<u8>,
    pub scopes: Vec<ScopeGroup<'a, T>>,
}

/// The part of it that one library made.
pub(crate) struct ScopeGroup<'a, T> {
    pub scope: &'a Scope,
    /// The same as an OTLP message.
    pub message: Vec<u8>,
    pub items: Vec<&'a T>,
}

/// Groups the items; what comes first stays first.
pub(crate) fn group<'a, T: Produced + 'a>(
    items: impl IntoIterator<Item = &'a T>,
) -> Vec<ResourceGroup<'a, T>> {
    let mut groups: Vec<ResourceGroup<T>> = Vec::new();
    let mut known = Known::default();
    let mut last = None;
    for item in items {
        let pointers = (Arc::as_ptr(item.resource()), Arc::as_ptr(item.scope()));
        let (resource, scope) = match last {
            Some((same, place)) if same == pointers => place,
            _ => *known
                .pointers
                .entry(pointers)
                .or_insert_with(|| place(item, &mut groups, &mut known.resources, &mut known.scopes)),
        };
        last = Some((pointers, (resource, scope)));
        groups[resource].scopes[scope].items.push(item);
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

fn place<'a, T: Produced>(
    item: &'a T,
    groups: &mut Vec<ResourceGroup<'a, T>>,
    resources: &mut HashMap<Content<'a>, usize>,
    scopes: &mut HashMap<(usize, Content<'a>), usize>,
) -> Place {
    let message = resource_message(item.resource());
    let resource = *resources.entry((message, &item.resource().schema_url)).or_insert_with_key(|content| {
        groups.push(ResourceGroup {
            resource: item.resource(),
            message: content.0.clone(),
            scopes: Vec::new(),
        });
        groups.len() - 1
    });
    let message = scope_message(item.scope());
    let scope = scopes.entry((resource, (message, &item.scope().schema_url)));
    let scope = *scope.or_insert_with_key(|(_, content)| {
        let scopes = &mut groups[resource].scopes;
        scopes.push(ScopeGroup { scope: item.scope(), message: content.0.clone(), items: Vec::new() });
        scopes.len() - 1
    });
    (resource, scope)
}
