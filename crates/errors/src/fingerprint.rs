//! Which failures are the same: the identity of a group of errors.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::stack::{self, Section};
use crate::{Failure, cut, normalize};

/// Of the rules of this crate. A change of what they give has to raise it: groups of another version are
/// other groups.
pub const VERSION: i16 = 1;

/// Of an exception's stack trace.
const STACK_BYTES_MAX: usize = 32 << 10;
/// The innermost frames of each section.
const FRAMES_MAX: usize = 30;
const SECTIONS_MAX: usize = 8;

/// The group that a failure of a service belongs to. The service, the type, and where it happened:
/// the frames of the application, or all if none is; without frames the normalised message.
pub fn group_id(service: &str, failure: &Failure<'_>) -> Uuid {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    add(&VERSION.to_string());
    add(service);
    add(&stack::type_key(failure.kind));
    let sections = stack::parse(cut(failure.stacktrace, STACK_BYTES_MAX));
    let keys = frame_keys(&sections);
    if keys.is_empty() {
        let message = if failure.message.is_empty() { failure.stacktrace } else { failure.message };
        add("message");
        add(&normalize(message));
    } else {
        add("frames");
        for key in &keys {
            add(key);
        }
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn frame_keys(sections: &[Section<'_>]) -> Vec<String> {
    let has_app = sections.iter().flat_map(|section| &section.frames).any(|frame| frame.is_app);
    let mut keys: Vec<String> = Vec::new();
    for (at, section) in
        sections.iter().filter(|section| is_exception(section)).take(SECTIONS_MAX).enumerate()
    {
        if at > 0
            && let Some(kind) = cause_type(section)
        {
            keys.push(stack::type_key(kind));
        }
        let first = keys.len();
        let mut frames: Vec<_> = section.frames.iter().filter(|frame| frame.is_app || !has_app).collect();
        if section.is_innermost_last() {
            frames.reverse();
        }
        for frame in frames.into_iter().take(FRAMES_MAX) {
            let key = stack::function_key(frame);
            // Recursion may be deeper next time.
            if !keys[first..].contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

/// The type of a cause, as its title names it.
fn cause_type<'a>(section: &Section<'a>) -> Option<&'a str> {
    let title = section.title.iter().find_map(|line| {
        let rest = ["Caused by: ", "Suppressed: ", "[cause]: ", "Next ", "---> "].iter();
        rest.clone().find_map(|head| line.strip_prefix(head))
    })?;
    let end = title.find([':', ' ', '(']).unwrap_or(title.len());
    Some(&title[..end])
}

/// Whether it tells where something happened, be it that all its frames are left out.
fn is_exception(section: &Section<'_>) -> bool {
    !section.frames.is_empty() || section.omitted > 0
}
