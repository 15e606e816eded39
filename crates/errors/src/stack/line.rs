//! What one line of a stack trace is.

use super::{Frame, Language, at, library};

/// One line.
pub enum Line<'a> {
    /// Empty, or a mark that says nothing.
    Nothing,
    /// A function.
    Frame(Frame<'a>),
    /// Where the function of the line before is.
    Place {
        /// The file.
        file: &'a str,
        /// From 1; 0 if not told.
        line: u32,
        /// From 1; 0 if not told.
        column: u32,
    },
    /// The source line of the frame before.
    Code(&'a str),
    /// So many frames are left out.
    Omitted(u32),
    /// Anything else: the exception, a cause, a heading.
    Text(&'a str),
}

/// A frame; whether it is the application's is found out.
pub fn frame<'a>(language: Language, function: &'a str, (file, line, column): Place<'a>) -> Frame<'a> {
    let mut frame = Frame { language, function, file, line, column, code: "", is_app: false };
    frame.is_app = library::is_app(&frame);
    frame
}

/// File, line and column.
pub type Place<'a> = (&'a str, u32, u32);

/// Reads a line; `next` and `before` are the one after it and the frame before it.
pub fn read<'a>(line: &'a str, next: &str, before: Option<&Frame<'a>>) -> Line<'a> {
    let text = line.trim();
    if text.is_empty() || text.bytes().all(|byte| matches!(byte, b'^' | b'~' | b' ')) {
        return Line::Nothing;
    }
    if let Some(place) = before.and_then(|frame| second_line(line, text, frame)) {
        return place;
    }
    if let Some(count) = omitted(text) {
        return Line::Omitted(count);
    }
    let found = at::read(text)
        .or_else(|| python(text))
        .or_else(|| php(text))
        .or_else(|| ruby(text))
        .or_else(|| rust(text))
        .or_else(|| go(line, next))
        .or_else(|| firefox(text));
    found.map_or(Line::Text(text), Line::Frame)
}

/// Whether a text after frames begins another exception of a chain.
pub fn begins_python_section(text: &str) -> bool {
    ["Traceback (", "During handling of", "The above exception"].iter().any(|head| text.starts_with(head))
}

/// The file below a function in Go and Rust, the source line in Python.
fn second_line<'a>(line: &'a str, text: &'a str, before: &Frame<'a>) -> Option<Line<'a>> {
    match before.language {
        Language::Python if before.code.is_empty() && line.starts_with("    ") => Some(Line::Code(text)),
        Language::Go if before.file.is_empty() && line.starts_with(['\t', ' ']) => {
            let place = text.split(" +0x").next().unwrap_or(text);
            let (file, line, column) = split_place(place);
            (line > 0).then_some(Line::Place { file, line, column })
        }
        Language::Rust if before.file.is_empty() => {
            let (file, line, column) = split_place(text.strip_prefix("at ")?);
            Some(Line::Place { file, line, column })
        }
        _ => None,
    }
}

fn omitted(text: &str) -> Option<u32> {
    let (count, rest) = text.strip_prefix("... ")?.split_once(' ')?;
    let is_count = rest == "more" || rest.starts_with("common frames") || rest.contains("levels");
    count.parse().ok().filter(|_| is_count)
}

/// `file:line:column`, `file:line`, or a file alone.
pub fn split_place(text: &str) -> Place<'_> {
    let split = |text: &'_ str| {
        let (head, number) = text.rsplit_once(':')?;
        Some((head.len(), number.parse::<u32>().ok()?))
    };
    let Some((last_at, last)) = split(text) else { return (text, 0, 0) };
    match split(&text[..last_at]) {
        Some((first_at, first)) => (&text[..first_at], first, last),
        None => (&text[..last_at], last, 0),
    }
}

/// `File "/app/api.py", line 3, in handle`
fn python(text: &str) -> Option<Frame<'_>> {
    let (file, rest) = text.strip_prefix("File \"")?.split_once("\", line ")?;
    let (line, function) = rest.split_once(", in ").unwrap_or((rest, ""));
    Some(frame(Language::Python, function, (file, line.parse().ok()?, 0)))
}

/// `#0 /app/Cart.php(12): App\Cart->total()`
fn php(text: &str) -> Option<Frame<'_>> {
    let (number, rest) = text.strip_prefix('#')?.split_once(' ')?;
    number.parse::<u32>().ok()?;
    if rest == "{main}" {
        return Some(frame(Language::Php, rest, ("", 0, 0)));
    }
    let (place, call) = rest.split_once(": ")?;
    let function = call.split('(').next().unwrap_or(call);
    let place = match place.strip_suffix(')').and_then(|place| place.rsplit_once('(')) {
        Some((file, line)) => (file, line.parse().ok()?, 0),
        None => (place, 0, 0),
    };
    Some(frame(Language::Php, function, place))
}

/// ``from /app/cart.rb:10:in `total'``, or with `'Cart#total'` since Ruby 3.4.
fn ruby(text: &str) -> Option<Frame<'_>> {
    let text = text.strip_prefix("from ").unwrap_or(text);
    let (place, rest) = text.split_once(":in ")?;
    let (_, function) = rest.split_at_checked(1).filter(|(quote, _)| matches!(*quote, "`" | "'"))?;
    let function = &function[..function.find('\'')?];
    let place = split_place(place);
    (place.1 > 0).then(|| frame(Language::Ruby, function, place))
}

/// `12: shop::cart::total`, perhaps with an address before the name.
fn rust(text: &str) -> Option<Frame<'_>> {
    let (number, rest) = text.split_once(": ")?;
    number.parse::<u32>().ok()?;
    let rest = rest.trim_start();
    let function = match rest.strip_prefix("0x") {
        Some(rest) => rest.split_once(" - ")?.1,
        None => rest,
    };
    let is_path = !function.contains(char::is_whitespace) || function.contains("::");
    (is_path && !function.is_empty()).then(|| frame(Language::Rust, function, ("", 0, 0)))
}

/// `main.(*Server).handle(0xc000010000, 0x1)` above its file.
fn go<'a>(line: &'a str, next: &str) -> Option<Frame<'a>> {
    let is_above_file = next.starts_with(['\t', ' ']) && next.contains(".go:");
    if !is_above_file || line.starts_with(['\t', ' ']) {
        return None;
    }
    let function = match line.strip_prefix("created by ") {
        Some(creator) => creator.split(" in goroutine").next().unwrap_or(creator),
        None => line.strip_suffix(')').and_then(|call| call.rfind('(').map(|at| &call[..at]))?,
    };
    Some(frame(Language::Go, function, ("", 0, 0)))
}

/// `total@https://shop.example/main.js:10:5`, of Firefox and Safari.
fn firefox(text: &str) -> Option<Frame<'_>> {
    let (function, place) = text.split_once('@')?;
    let place = split_place(place);
    let is_url = place.0.contains("://") || place.0.starts_with('/');
    (is_url && place.2 > 0).then(|| frame(Language::JavaScript, function, place))
}
