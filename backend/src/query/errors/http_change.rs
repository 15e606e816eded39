//! `PATCH errors/{id}` and `PATCH errors`.

use actix_web::{patch, web};
use spanloom_model::api::{ERROR_GROUPS_CHANGED_MAX, ErrorChange, ErrorState, ErrorsChange, ErrorsChanged};
use uuid::Uuid;

use super::http_docs::{ChangeErrors, UnknownGroup};
use super::store_change::{self, Change};
use crate::identity::extract::{Editor, SmallBody};
use crate::query::Query;
use crate::web::{ApiError, ApiResult};

#[utoipa::path(
    patch,
    path = "/errors/{id}",
    tag = "errors",
    operation_id = "changeError",
    summary = "Resolve, ignore or reopen a group of errors",
    description = "A resolved group becomes `regressed` when a span with it starts later; with \
        `inNextVersion`, only if its `service.version` is none that had the error before. An ignored group \
        stays so. The history names who did it. Needed role: editor.",
    params(("id" = Uuid, Path, description = "The group.", example = "c8b5b1de-6d84-8bd3-9f3e-3a1f0c1d2e4f")),
    request_body(content = ErrorChange, example = json!({"state": "resolved", "inNextVersion": false})),
    responses(
        (status = 200, description = "Whether it was in another state.", body = ErrorsChanged,
            example = json!({"changed": 1})),
        UnknownGroup,
        ChangeErrors,
    ),
    extensions(("x-required-role" = json!("editor"))),
)]
#[patch("/errors/{id}")]
pub(in crate::query) async fn change_error(
    editor: Editor,
    query: web::Data<Query>,
    id: web::Path<Uuid>,
    body: SmallBody,
) -> ApiResult<web::Json<ErrorsChanged>> {
    let ErrorChange { state, in_next_version } = body.json()?;
    let (found, changed) = change(&query, &editor, &[*id], state, in_next_version).await?;
    if found == 0 {
        return Err(ApiError::not_found("group of errors"));
    }
    Ok(web::Json(changed))
}

#[utoipa::path(
    patch,
    path = "/errors",
    tag = "errors",
    operation_id = "changeErrors",
    summary = "Resolve, ignore or reopen groups of errors",
    description = "Several at once, in one transaction; ids of no group are passed over. Needed role: editor.",
    request_body(content = ErrorsChange, example = json!({
        "ids": ["c8b5b1de-6d84-8bd3-9f3e-3a1f0c1d2e4f"], "state": "ignored"
    })),
    responses(
        (status = 200, description = "How many were in another state.", body = ErrorsChanged,
            example = json!({"changed": 1})),
        ChangeErrors,
    ),
    extensions(("x-required-role" = json!("editor"))),
)]
#[patch("/errors")]
pub(in crate::query) async fn change_errors(
    editor: Editor,
    query: web::Data<Query>,
    body: SmallBody,
) -> ApiResult<web::Json<ErrorsChanged>> {
    let ErrorsChange { ids, state, in_next_version } = body.json()?;
    if ids.is_empty() || ids.len() > ERROR_GROUPS_CHANGED_MAX {
        return Err(ApiError::invalid("ids", format!("must be 1 to {ERROR_GROUPS_CHANGED_MAX} groups")));
    }
    Ok(web::Json(change(&query, &editor, &ids, state, in_next_version).await?.1))
}

/// How many of the groups there are, and what was done.
async fn change(
    query: &Query,
    editor: &Editor,
    ids: &[Uuid],
    state: ErrorState,
    in_next_version: bool,
) -> ApiResult<(u64, ErrorsChanged)> {
    if state == ErrorState::Regressed {
        return Err(ApiError::invalid("state", "must be open, resolved or ignored"));
    }
    if in_next_version && state != ErrorState::Resolved {
        return Err(ApiError::invalid("inNextVersion", "goes with the state resolved alone"));
    }
    let actor = editor.0.name();
    let wanted = Change { ids, state, in_next_version, actor };
    let (found, changed) = store_change::change(&query.store.pool, &wanted).await?;
    if changed > 0 {
        tracing::info!(actor, changed, state = state.name(), "groups of errors changed their state");
    }
    Ok((found, ErrorsChanged { changed }))
}
