//! Why a call failed, in a form that every page can show.

use spanloom_model::api::{FieldError, Problem};

/// A failed call.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The HTTP status; 0 if there was no answer.
    pub status: u16,
    /// The problem's stable code; `network`, `aborted` or `unreadable` where the server gave none.
    pub code: String,
    /// What happened, in a few words.
    pub title: String,
    /// What exactly, and what to do about it.
    pub detail: Option<String>,
    /// What is wrong with which field.
    pub fields: Box<[FieldError]>,
    /// The request's identifier in the server's log.
    pub trace_id: Option<Box<str>>,
    /// When to try again, if the server told.
    pub retry_after_seconds: Option<u32>,
}

impl ApiError {
    fn local(code: &str, title: &str, detail: String) -> Self {
        Self {
            status: 0,
            code: code.to_owned(),
            title: title.to_owned(),
            detail: Some(detail),
            fields: Box::default(),
            trace_id: None,
            retry_after_seconds: None,
        }
    }

    /// There was no answer.
    pub fn network() -> Self {
        let detail = "Check that the server is running and that this machine is connected.";
        Self::local("network", "The server cannot be reached", detail.to_owned())
    }

    /// The page no longer wants the answer; nothing to show.
    pub fn aborted() -> Self {
        Self::local("aborted", "Cancelled", String::new())
    }

    /// The answer is not what the API promises.
    pub fn unreadable(detail: String) -> Self {
        Self::local("unreadable", "The server's answer cannot be read", detail)
    }

    /// From an error response; `body` should be problem+json, but a proxy may have answered.
    pub fn from_response(status: u16, body: &str, retry_after_seconds: Option<u32>) -> Self {
        let Ok(problem) = serde_json::from_str::<Problem>(body) else {
            let title = format!("The server answered with status {status}");
            let error = Self::local(
                "unreadable",
                &title,
                "Something between here and the server answered, or the server is of another version."
                    .to_owned(),
            );
            return Self { status, retry_after_seconds, ..error };
        };
        Self {
            status,
            code: problem.code,
            title: problem.title,
            detail: problem.detail,
            fields: problem.errors.into(),
            trace_id: problem.trace_id.map(Into::into),
            retry_after_seconds,
        }
    }

    /// Whether the page itself gave up the call.
    pub fn is_aborted(&self) -> bool {
        self.code == "aborted"
    }

    /// Whether nobody is logged in.
    pub fn is_unauthorized(&self) -> bool {
        self.status == 401
    }

    /// Whether the person may not do this.
    pub fn is_forbidden(&self) -> bool {
        self.status == 403
    }

    /// What is wrong with `field`, if the server named it.
    pub fn field(&self, field: &str) -> Option<&str> {
        self.fields.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }

    /// Detail if there is one, else the title: one line for toasts and forms.
    pub fn line(&self) -> String {
        match &self.detail {
            Some(detail) if !detail.is_empty() => format!("{}: {detail}", self.title),
            _ => self.title.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches an empty error box when a proxy answers with its own page.
    #[test]
    fn an_answer_that_is_no_problem_still_says_something() {
        let error = ApiError::from_response(502, "<html>Bad gateway</html>", None);
        assert_eq!(error.status, 502);
        assert!(error.title.contains("502"), "{}", error.title);
    }

    #[test]
    fn a_problem_keeps_its_parts() {
        let body = r#"{"type":"/problems/invalid_request","title":"The request is not valid","status":400,
            "code":"invalid_request","errors":[{"field":"limit","message":"at most 1000"}],"traceId":"abc"}"#;
        let error = ApiError::from_response(400, body, Some(3));
        assert_eq!(error.field("limit"), Some("at most 1000"));
        assert_eq!(error.field("order"), None);
        assert_eq!((error.retry_after_seconds, error.trace_id.as_deref()), (Some(3), Some("abc")));
    }
}
