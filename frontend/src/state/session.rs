//! Who is logged in.

use leptos::prelude::*;
use leptos::task::spawn_local;
use spanloom_model::api::{Role, User};

use crate::api::{self, ApiError};

/// What is known about the session.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// The server has not answered yet.
    Checking,
    /// The server cannot say.
    Failed(ApiError),
    /// Nobody is logged in.
    Out,
    /// This person is.
    In(User),
}

/// The session, in a context.
#[derive(Clone, Copy)]
pub struct SessionState {
    /// What is known.
    pub phase: RwSignal<Phase>,
    /// Whether the session ended without the person having asked for it.
    pub expired: RwSignal<bool>,
}

impl SessionState {
    /// Puts the session into the context and asks the server about it.
    pub fn provide() -> Self {
        let session = Self { phase: RwSignal::new(Phase::Checking), expired: RwSignal::new(false) };
        provide_context(session);
        api::on_session_end(move || {
            // Several calls may find out; the first one finds somebody logged in.
            if session.phase.with_untracked(|phase| matches!(phase, Phase::In(_))) {
                session.expired.set(true);
            }
            session.phase.set(Phase::Out);
        });
        session.check();
        session
    }

    /// Asks the server who is logged in.
    pub fn check(self) {
        self.phase.set(Phase::Checking);
        spawn_local(async move {
            let phase = match api::me().await {
                Ok(user) => Phase::In(user),
                Err(error) if error.is_unauthorized() => Phase::Out,
                Err(error) => Phase::Failed(error),
            };
            self.phase.set(phase);
        });
    }

    /// The person; tracks.
    pub fn user(self) -> Option<User> {
        match self.phase.get() {
            Phase::In(user) => Some(user),
            _ => None,
        }
    }

    /// Whether the person has at least this role; tracks.
    pub fn has_role(self, role: Role) -> bool {
        self.phase.with(|phase| matches!(phase, Phase::In(user) if user.role >= role))
    }
}

/// The session.
#[expect(clippy::expect_used, reason = "the app provides it around everything")]
pub fn use_session() -> SessionState {
    use_context().expect("the app provides the session")
}

/// The word for a role.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Viewer",
        Role::Editor => "Editor",
        Role::Admin => "Admin",
    }
}
