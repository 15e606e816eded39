//! Finding spans again.
/// Q.
#[derive(Clone)]
pub struct Query;
impl Query {
    /// n
    pub fn new(_s: crate::store::Store, _c: &crate::config::Config) -> Self {
        Self
    }
}
/// r
pub fn routes(_c: &mut utoipa_actix_web::service_config::ServiceConfig) {}
