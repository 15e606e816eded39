//! A switch that the browser remembers.

use leptos::prelude::*;

/// On unless it was switched off; `key` is made unique to the application.
pub fn use_stored_flag(key: &'static str) -> RwSignal<bool> {
    let key = format!("spanloom.{key}");
    let storage = || window().local_storage().ok().flatten();
    let stored = storage().and_then(|storage| storage.get_item(&key).ok()?);
    let flag = RwSignal::new(stored.as_deref() != Some("off"));
    Effect::new(move |before: Option<bool>| {
        let now = flag.get();
        if before.is_some_and(|before| before != now)
            && let Some(storage) = storage()
        {
            // Without storage the choice lasts as long as the page.
            let _ = if now { storage.remove_item(&key) } else { storage.set_item(&key, "off") };
        }
        now
    });
    flag
}
