//! A call between two nodes as requests name it.

use super::node::{NODE_CHARS_MAX, NodeName};
use crate::query::params::Params;

/// Calls of a node, all or those of one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The calling service; any if it is none.
    pub caller: Option<String>,
    /// What is called.
    pub callee: NodeName,
}

impl Call {
    /// Reads `caller` and `callee`; none without a callee. What is wrong is noted in `params`.
    pub fn parse(params: &mut Params) -> Option<Self> {
        let caller = params.text("caller", NODE_CHARS_MAX).map(|text| NodeName::parse(&text));
        if caller.as_ref().is_some_and(|caller| caller.key().is_some()) {
            params.reject("caller", "must be a service: nothing else is known to call");
        }
        let callee = params.text("callee", NODE_CHARS_MAX).map(|text| NodeName::parse(&text));
        if caller.is_some() && callee.is_none() {
            params.reject("caller", "needs callee");
        }
        callee.map(|callee| Self { caller: caller.map(|caller| caller.name), callee })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a caller that is dropped without a word, and a database that calls.
    #[test]
    fn a_caller_is_a_service_and_needs_a_callee() {
        let parse = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
            let mut params = Params::new(pairs.collect());
            let call = Call::parse(&mut params);
            params.finish().map(|()| call).map_err(|errors| errors[0].field.clone())
        };
        let call = parse(&[("caller", "service:a"), ("callee", "database:redis/x")]).unwrap().unwrap();
        assert_eq!(call.caller.as_deref(), Some("a"));
        assert_eq!(call.callee.id(), "database:redis/x");
        assert_eq!(parse(&[]).unwrap(), None);
        assert_eq!(parse(&[("caller", "a")]).unwrap_err(), "caller");
        assert_eq!(parse(&[("caller", "database:x"), ("callee", "a")]).unwrap_err(), "caller");
    }
}
