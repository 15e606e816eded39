//! The places of the last map: going to a trace and back shows the same one.

use leptos::prelude::*;

use super::places::Places;

/// Focus and depth of a map, and its places.
pub type Remembered = (String, Option<u32>, Places);

/// The places, in a context around all pages.
#[derive(Clone, Copy)]
pub struct MapMemory(pub StoredValue<Option<Remembered>>);

impl MapMemory {
    /// Puts an empty memory into the context.
    pub fn provide() {
        provide_context(Self(StoredValue::new(None)));
    }
}

/// The last map.
#[expect(clippy::expect_used, reason = "the app provides it around everything")]
pub fn use_map_memory() -> MapMemory {
    use_context().expect("the app provides the memory of the map")
}
