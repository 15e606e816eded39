//! Lines that begin with "at": Java, .NET and JavaScript have that in common.

use super::line::{Place, frame, split_place};
use super::{Frame, Language};

/// Reads a line without the space around it.
pub fn read(text: &str) -> Option<Frame<'_>> {
    let call = text.strip_prefix("at ")?.trim_start();
    if let Some(found) = dot_net_in_file(call) {
        return Some(found);
    }
    let Some(inner) = call.strip_suffix(')') else {
        let place = split_place(call);
        return (place.1 > 0).then(|| frame(Language::JavaScript, "", without_async(place)));
    };
    // JavaScript alone has a space before the place.
    if let Some((function, place)) = inner.split_once(" (")
        && !function.contains('(')
    {
        return Some(frame(Language::JavaScript, function, split_place(place)));
    }
    let (function, place) = inner.rsplit_once('(')?;
    if is_java_place(place) {
        let place = if place.contains(' ') { ("", 0, 0) } else { split_place(place) };
        return Some(frame(Language::Java, function, place));
    }
    Some(frame(Language::DotNet, call, ("", 0, 0)))
}

/// `Shop.Cart.Total(Order order) in /src/Cart.cs:line 42`
fn dot_net_in_file(call: &str) -> Option<Frame<'_>> {
    let (function, place) = call.rsplit_once(") in ")?;
    let (file, line) = place.rsplit_once(":line ")?;
    let function = &call[..=function.len()];
    Some(frame(Language::DotNet, function, (file, line.trim().parse().ok()?, 0)))
}

fn without_async((file, line, column): Place<'_>) -> Place<'_> {
    (file.strip_prefix("async ").unwrap_or(file), line, column)
}

/// What stands between parentheses in Java; parameters of .NET have a space or no extension.
fn is_java_place(place: &str) -> bool {
    if place == "Native Method" || place == "Unknown Source" {
        return true;
    }
    let (file, line, _) = split_place(place);
    !place.contains([' ', '(', ',']) && (line > 0 || is_source_file(file))
}

fn is_source_file(file: &str) -> bool {
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    file == "<generated>" || ["java", "kt", "scala", "groovy", "clj", "php"].contains(&extension)
}
