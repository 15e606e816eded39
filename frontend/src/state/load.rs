//! Loading data for a page: the latest request wins, the last good answer stays visible meanwhile.

use std::future::Future;
use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api::{Abort, ApiError};

/// Data on its way, there, or failed.
pub struct Loaded<T: 'static> {
    /// The last good answer; cleared when another question is asked only if the loader says so.
    pub value: RwSignal<Option<Arc<T>>>,
    /// Why the last request failed; none while one is running or after a good answer.
    pub error: RwSignal<Option<ApiError>>,
    /// Whether a request is running.
    pub loading: RwSignal<bool>,
    attempt: RwSignal<u32>,
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Loaded<T> {}

impl<T: Send + Sync + 'static> Loaded<T> {
    /// Asks the same question again.
    pub fn reload(self) {
        self.attempt.update(|attempt| *attempt += 1);
    }
}

/// Loads whenever what `question` returns changes, and on [`Loaded::reload`]. `None` means that
/// there is nothing to ask; what was loaded before is then cleared. A request that is no longer
/// wanted is cancelled, also when the component goes.
pub fn load<Q, T, Fut>(
    question: impl Fn() -> Option<Q> + Send + Sync + 'static,
    fetch: impl Fn(Q, Option<web_sys::AbortSignal>) -> Fut + 'static,
) -> Loaded<T>
where
    Q: Clone + PartialEq + Send + Sync + 'static,
    T: Send + Sync + 'static,
    Fut: Future<Output = Result<T, ApiError>> + 'static,
{
    load_or_keep(None, question, fetch)
}

/// [`load`] with an answer known from before: while the question is that one, nothing is asked.
pub fn load_or_keep<Q, T, Fut>(
    known: Option<(Q, Arc<T>)>,
    question: impl Fn() -> Option<Q> + Send + Sync + 'static,
    fetch: impl Fn(Q, Option<web_sys::AbortSignal>) -> Fut + 'static,
) -> Loaded<T>
where
    Q: Clone + PartialEq + Send + Sync + 'static,
    T: Send + Sync + 'static,
    Fut: Future<Output = Result<T, ApiError>> + 'static,
{
    let loaded = Loaded {
        value: RwSignal::new(known.as_ref().map(|(_, answer)| answer.clone())),
        error: RwSignal::new(None),
        loading: RwSignal::new(false),
        attempt: RwSignal::new(0),
    };
    // An effect may run again for the same question; only a new one is worth a request.
    let question = Memo::new(move |_| question());
    let running: StoredValue<Option<Abort>, LocalStorage> = StoredValue::new_local(None);
    Effect::new(move |previous: Option<()>| {
        loaded.attempt.track();
        let is_known = previous.is_none()
            && known
                .as_ref()
                .is_some_and(|(known, _)| question.with(|question| question.as_ref() == Some(known)));
        if is_known {
            return;
        }
        // Dropping the previous handle cancels its request.
        running.set_value(None);
        let Some(question) = question.get() else {
            loaded.value.set(None);
            loaded.error.set(None);
            loaded.loading.set(false);
            return;
        };
        let abort = Abort::new();
        let answer = fetch(question, abort.as_ref().map(Abort::signal));
        running.set_value(abort);
        loaded.loading.set(true);
        spawn_local(async move {
            let result = answer.await;
            // The component may be gone by now: then there is nobody to tell.
            match result {
                Ok(value) => {
                    loaded.error.try_set(None);
                    loaded.value.try_set(Some(Arc::new(value)));
                }
                Err(error) if error.is_aborted() => return,
                Err(error) => {
                    loaded.error.try_set(Some(error));
                }
            }
            loaded.loading.try_set(false);
        });
    });
    on_cleanup(move || {
        running.try_update_value(Option::take);
    });
    loaded
}
