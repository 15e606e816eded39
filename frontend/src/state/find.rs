//! What people paste and type to find things: trace ids in several dresses, parts of names. Pure.

use spanloom_model::TraceId;

/// The trace id in a pasted text: the bare id in any case, with dashes as a UUID, of 16 digits as
/// older tracers write it, a `traceparent` header, or a link to a trace.
pub fn trace_id_in(text: &str) -> Option<TraceId> {
    let text = text.trim().trim_matches(['"', '\'', '`']).to_ascii_lowercase();
    if let Some(id) = exact_trace_id(&text) {
        return Some(id);
    }
    let is_id = |part: &str| part.len() == 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut ids = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| is_id(part));
    // With two ids in it, the text could mean either.
    let id = ids.next()?;
    if ids.any(|other| other != id) { None } else { id.parse().ok() }
}

fn exact_trace_id(text: &str) -> Option<TraceId> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    match digits.len() {
        32 => digits.parse().ok(),
        16 if digits.len() == text.len() => format!("{digits:0>32}").parse().ok(),
        _ => None,
    }
}

/// How well `needle` fits `name`: none if its letters do not all occur in order; more is better.
/// The start of the name beats the start of a word, which beats the middle.
pub fn score(name: &str, needle: &str) -> Option<i32> {
    let (name, needle) = (name.to_lowercase(), needle.trim().to_lowercase());
    if needle.is_empty() {
        return Some(0);
    }
    if let Some(at) = name.find(&needle) {
        let word_start = at == 0 || !name[..at].ends_with(char::is_alphanumeric);
        let place = if at == 0 {
            100
        } else if word_start {
            60
        } else {
            30
        };
        // Of two names the shorter one is the closer fit.
        return Some(place + 1000 - i32::try_from(name.len().min(200)).unwrap_or(200));
    }
    let mut letters = name.chars();
    needle
        .chars()
        .all(|wanted| letters.any(|letter| letter == wanted))
        .then(|| 400 - i32::try_from(name.len().min(200)).unwrap_or(200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_ids_are_found_in_every_dress() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for text in [
            id,
            " 4BF92F3577B34DA6A3CE929D0E0E4736\n",
            "\"4bf92f3577b34da6a3ce929d0e0e4736\"",
            "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "https://spanloom.example/traces/4bf92f3577b34da6a3ce929d0e0e4736?from=now-1h",
            "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 msg=failed",
        ] {
            assert_eq!(trace_id_in(text).map(|id| id.to_string()).as_deref(), Some(id), "{text}");
        }
        let short = trace_id_in("00f067aa0ba902b7").map(|id| id.to_string());
        assert_eq!(short.as_deref(), Some("000000000000000000f067aa0ba902b7"));
    }

    // Catches a search for a service being taken for a trace.
    #[test]
    fn other_texts_are_no_trace_ids() {
        for text in ["", "checkout", "deadbeef", "00000000000000000000000000000000", "feed-cafe-feed-cafe"]
        {
            assert_eq!(trace_id_in(text), None, "{text}");
        }
        let two = "4bf92f3577b34da6a3ce929d0e0e4736 5bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id_in(two), None);
    }

    #[test]
    fn the_start_of_a_name_beats_the_middle_and_letters_in_order_come_last() {
        let mut names = ["cart-cache", "recart", "my cart", "cart", "c-a-r-t-s", "payment"];
        names.sort_by_key(|name| std::cmp::Reverse(score(name, "cart")));
        assert_eq!(names, ["cart", "cart-cache", "my cart", "recart", "c-a-r-t-s", "payment"]);
        assert_eq!(score("payment", "cart"), None);
    }
}
