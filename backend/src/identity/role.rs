//! Who acts: a person with a role, or a machine with a key.

use spanloom_model::api::{KeyScope, Role, User};
use uuid::Uuid;

/// Who acts in a request.
#[derive(Debug, Clone)]
pub enum Principal {
    /// A person who is logged in.
    Person {
        /// The account as the database has it now.
        user: User,
        /// The session that the request belongs to.
        session: Uuid,
    },
    /// A machine that presented an API key with the scope `read`: a viewer.
    Key {
        /// The key's identifier.
        id: Uuid,
        /// What the key is for.
        name: String,
    },
}

impl Principal {
    /// What the principal may do.
    pub fn role(&self) -> Role {
        match self {
            Self::Person { user, .. } => user.role,
            Self::Key { .. } => Role::Viewer,
        }
    }

    /// The person's or the key's name, for records of who did what.
    pub fn name(&self) -> &str {
        match self {
            Self::Person { user, .. } => &user.username,
            Self::Key { name, .. } => name,
        }
    }
}

/// A role's name in the database and on the command line.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Editor => "editor",
        Role::Admin => "admin",
    }
}

/// The role of a name.
///
/// # Errors
/// If there is no such role; the message lists those that exist.
pub fn parse_role(name: &str) -> anyhow::Result<Role> {
    [Role::Viewer, Role::Editor, Role::Admin]
        .into_iter()
        .find(|role| role_name(*role) == name)
        .ok_or_else(|| anyhow::anyhow!("no role {name:?}: viewer, editor or admin"))
}

/// A scope's name in the database and on the command line.
pub fn scope_name(scope: KeyScope) -> &'static str {
    match scope {
        KeyScope::Ingest => "ingest",
        KeyScope::Read => "read",
    }
}

/// The scope of a name.
///
/// # Errors
/// If there is no such scope; the message lists those that exist.
pub fn parse_scope(name: &str) -> anyhow::Result<KeyScope> {
    [KeyScope::Ingest, KeyScope::Read]
        .into_iter()
        .find(|scope| scope_name(*scope) == name)
        .ok_or_else(|| anyhow::anyhow!("no scope {name:?}: ingest or read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches names that differ between the database, the command line and the JSON of the API.
    #[test]
    fn names_are_those_of_the_api() {
        for role in [Role::Viewer, Role::Editor, Role::Admin] {
            assert_eq!(serde_json::json!(role), role_name(role));
            assert_eq!(parse_role(role_name(role)).unwrap(), role);
        }
        for scope in [KeyScope::Ingest, KeyScope::Read] {
            assert_eq!(serde_json::json!(scope), scope_name(scope));
            assert_eq!(parse_scope(scope_name(scope)).unwrap(), scope);
        }
        assert!(parse_role("Admin").is_err());
        assert!(parse_scope("write").is_err());
    }
}
