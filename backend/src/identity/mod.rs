//! Who may do what: people, sessions, API keys.
