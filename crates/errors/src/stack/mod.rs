//! Stack traces as languages print them: Java, Python, JavaScript, Go, .NET, Ruby, PHP, Rust and what
//! looks like them.
//!
//! Every line is looked at alone, with the frame before it at most, so that traces of several causes, in
//! several languages, or cut somewhere, are read as far as they go.

mod at;
mod key;
mod library;
mod line;

pub use key::{function_key, type_key};

/// Of a trace, and of what is made of it.
const LINES_MAX: usize = 1_000;
const SECTIONS_MAX: usize = 16;
const FRAMES_MAX: usize = 300;
const TITLE_LINES_MAX: usize = 20;

/// In whose form a frame is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// And Kotlin, Scala, Groovy; PHP where OpenTelemetry prints it.
    Java,
    /// And the other languages of .NET.
    DotNet,
    /// And TypeScript.
    JavaScript,
    /// Innermost frame last.
    Python,
    /// A frame is two lines.
    Go,
    /// As backtraces are printed.
    Ruby,
    /// As `getTraceAsString` prints it.
    Php,
    /// A frame is two lines.
    Rust,
}

/// A function that was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The form it is written in.
    pub language: Language,
    /// With class or module as far as it is written; empty for code outside of functions.
    pub function: &'a str,
    /// As it is written; empty if not told.
    pub file: &'a str,
    /// From 1; 0 if not told.
    pub line: u32,
    /// From 1; 0 if not told.
    pub column: u32,
    /// The source line, where it is printed.
    pub code: &'a str,
    /// Of the application rather than of a library or of the language, as far as names tell.
    pub is_app: bool,
}

/// An exception, or one of its causes, and where it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section<'a> {
    /// What is written above the frames; in Python, below them.
    pub title: Vec<&'a str>,
    /// In the order in which they are written.
    pub frames: Vec<Frame<'a>>,
    /// Frames that the language left out because the section before has them.
    pub omitted: u32,
}

impl Section<'_> {
    /// Whether the frame where it happened is the last one.
    pub fn is_innermost_last(&self) -> bool {
        self.frames.first().is_some_and(|frame| frame.language == Language::Python)
    }
}

/// Reads a stack trace. Text without frames is one section without frames; an empty text is none.
pub fn parse(text: &str) -> Vec<Section<'_>> {
    let lines: Vec<&str> = text.lines().take(LINES_MAX).collect();
    let mut sections: Vec<Section> = vec![Section::default()];
    let mut frames = 0;
    for (at, line) in lines.iter().copied().enumerate() {
        let next = lines.get(at + 1).copied().unwrap_or_default();
        let Some(section) = sections.last_mut() else { break };
        match line::read(line, next, section.frames.last()) {
            line::Line::Nothing => {}
            line::Line::Frame(frame) => {
                frames += 1;
                if frames > FRAMES_MAX {
                    break;
                }
                section.frames.push(frame);
            }
            line::Line::Place { file, line, column } => {
                if let Some(frame) = section.frames.last_mut() {
                    *frame = Frame { file, line, column, ..*frame };
                    frame.is_app = library::is_app(frame);
                }
            }
            line::Line::Code(code) => {
                if let Some(frame) = section.frames.last_mut() {
                    frame.code = code;
                }
            }
            line::Line::Omitted(count) => section.omitted = count,
            line::Line::Text(text) => {
                let is_same = section.frames.is_empty()
                    || (section.is_innermost_last() && !line::begins_python_section(text));
                if is_same && section.title.len() < TITLE_LINES_MAX {
                    section.title.push(text);
                } else if !is_same && sections.len() < SECTIONS_MAX {
                    sections.push(Section { title: vec![text], ..Section::default() });
                } else if !is_same {
                    break;
                }
            }
        }
    }
    sections.retain(|section| !section.title.is_empty() || !section.frames.is_empty());
    sections
}
