//! Nodes of the graph: how requests and answers name them, and how statements do.

use std::collections::HashMap;

use spanloom_model::api::{DependencyKind, DependencyNodeType};

/// Characters of an id at most: of a name and of the longest word before it, with its colon.
pub const NODE_CHARS_MAX: usize = 255 + 10;

/// A node as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeName {
    /// What it is.
    pub node_type: DependencyNodeType,
    /// Its name.
    pub name: String,
}

impl NodeName {
    /// From an id like `database:postgresql/shop`; anything else is a service's name.
    pub fn parse(text: &str) -> Self {
        use DependencyNodeType::{Database, External, Messaging, Service};
        let id = text.split_once(':').and_then(|(word, name)| {
            let node_type =
                [Service, Database, Messaging, External].into_iter().find(|it| it.name() == word)?;
            (!name.is_empty()).then_some((node_type, name))
        });
        let (node_type, name) = id.unwrap_or((Service, text));
        Self { node_type, name: name.to_owned() }
    }

    /// The id, as answers have it.
    pub fn id(&self) -> String {
        format!("{}:{}", self.node_type.name(), self.name)
    }

    /// The stored number of the kind of calls to it; none for a service, which is called in several ways.
    pub fn kind_number(&self) -> Option<i16> {
        let kind = match self.node_type {
            DependencyNodeType::Service => return None,
            DependencyNodeType::Database => DependencyKind::Database,
            DependencyNodeType::Messaging => DependencyKind::Messaging,
            DependencyNodeType::External => DependencyKind::External,
        };
        Some(kind.number())
    }

    /// As statements name it, for what is no service: the number of its kind, a colon, its name.
    pub fn key(&self) -> Option<String> {
        Some(format!("{}:{}", self.kind_number()?, self.name))
    }

    /// The reverse of [`Self::key`], where a service's key is its id alone; none if the service is gone.
    pub fn of_key(key: &str, services: &HashMap<i32, String>) -> Option<Self> {
        let Some((kind, name)) = key.split_once(':') else {
            let name = services.get(&key.parse().ok()?)?.clone();
            return Some(Self { node_type: DependencyNodeType::Service, name });
        };
        let node_type = match DependencyKind::from_number(kind.parse().ok()?)? {
            DependencyKind::Database => DependencyNodeType::Database,
            DependencyKind::Messaging => DependencyNodeType::Messaging,
            _ => DependencyNodeType::External,
        };
        Some(Self { node_type, name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches names with colons that are cut, and keys that do not come back.
    #[test]
    fn names_ids_and_keys_are_told_apart() {
        let services = HashMap::from([(7, "http://odd".to_owned())]);
        for (text, id, key) in [
            ("checkout", "service:checkout", None),
            ("http://odd", "service:http://odd", None),
            ("service:database:x", "service:database:x", None),
            ("database:redis/a:b", "database:redis/a:b", Some("4:redis/a:b")),
            ("messaging:kafka/orders", "messaging:kafka/orders", Some("3:kafka/orders")),
            ("external:api.example", "external:api.example", Some("5:api.example")),
        ] {
            let node = NodeName::parse(text);
            assert_eq!((node.id().as_str(), node.key().as_deref()), (id, key), "{text}");
            if let Some(key) = key {
                assert_eq!(NodeName::of_key(key, &services), Some(node));
            }
        }
        assert_eq!(NodeName::of_key("7", &services).unwrap().name, "http://odd");
        assert_eq!(NodeName::of_key("8", &services), None);
    }
}
