//! People, sessions and API keys.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a person may do; each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads traces, services and everything derived from them.
    Viewer,
    /// Changes what is shared: rules, saved views, policies.
    Editor,
    /// Manages people, keys and the system.
    Admin,
}

/// Credentials of a person.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginRequest {
    /// The account's name.
    #[cfg_attr(feature = "openapi", schema(example = "admin"))]
    pub username: String,
    /// The account's password.
    #[cfg_attr(feature = "openapi", schema(example = "correct horse battery staple"))]
    pub password: String,
}

/// A session that was just opened or renewed. The tokens are in cookies that scripts cannot read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Who is logged in.
    pub user: User,
    /// Send it back as `X-CSRF-Token` with every request that changes something. It is also in the
    /// cookie `spanloom_csrf`, which scripts of this origin can read.
    pub csrf_token: String,
    /// When the access token ends; `POST /api/v1/auth/refresh` renews it.
    pub access_expires_at: DateTime<Utc>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The account's identifier.
    pub id: uuid::Uuid,
    /// The account's name.
    pub username: String,
    /// What the person may do.
    pub role: Role,
    /// Whether the account is shut: it cannot log in and its sessions have ended.
    pub disabled: bool,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
}

/// A person to be added.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserRequest {
    /// 1 to 64 characters: letters, digits, and `.`, `_`, `-`, `@`.
    pub username: String,
    /// 12 to 256 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 12, max_length = 256))]
    pub password: String,
    /// What the person may do.
    pub role: Role,
}

/// A change to a person's account; what is missing stays.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserChange {
    /// What the person may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether the account is shut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// A new password; ends the account's sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// A person's own change of password; ends the person's other sessions.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasswordChange {
    /// The password so far.
    pub current_password: String,
    /// 12 to 256 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 12, max_length = 256))]
    pub new_password: String,
}

/// What an API key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum KeyScope {
    /// Sends spans.
    Ingest,
    /// Reads what a viewer reads.
    Read,
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// The key's identifier.
    pub id: uuid::Uuid,
    /// What the key is for, in its maker's words.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<KeyScope>,
    /// The first characters of the key, to recognise it.
    pub prefix: String,
    /// Who made it; none if made on the command line.
    pub created_by: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute; none if never.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked; none if it is good.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// An API key to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeyRequest {
    /// What the key is for: 1 to 100 characters.
    #[cfg_attr(feature = "openapi", schema(example = "checkout service"))]
    pub name: String,
    /// At least one.
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub scopes: Vec<KeyScope>,
}

/// A key that was just made: the only time that its secret is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyCreated {
    /// The key without its secret.
    pub key: ApiKey,
    /// The key itself; send it as `Authorization: Bearer <secret>`.
    pub secret: String,
}
