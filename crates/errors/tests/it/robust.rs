//! Whatever clients send: bounded, without a panic.

use proptest::prelude::*;
use spanloom_errors::{Failure, group_id, normalize, stack};

/// Text with what the parsers look for in it.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,6}",
        "[0-9a-fA-F:.x-]{1,40}",
        prop::sample::select(vec![
            "\n",
            "\tat ",
            "    at ",
            "File \"",
            "\", line ",
            ", in ",
            ":in '",
            "... 3 more",
            "Caused by: ",
            "#0 ",
            "(",
            ")",
            ":1:2",
            ":line ",
            ") in ",
            "\t/a.go:1",
            "'",
            "\"",
            "`",
            "\\",
            "://",
            "@",
            "$$",
            "::h",
            "é",
            "1h",
            "-1",
            "Traceback (",
            "created by ",
            "SQLSTATE ",
            "ORA-",
            "9999-99-99",
            "2026-11-23T1",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_breaks_it(message in text(), stacktrace in text()) {
        let normal = normalize(&message);
        prop_assert!(normal.len() <= 512);
        let frames: usize = stack::parse(&stacktrace).iter().map(|section| section.frames.len()).sum();
        prop_assert!(frames <= stacktrace.lines().count());
        let failure = Failure { kind: &message, message: &message, stacktrace: &stacktrace };
        prop_assert_eq!(group_id("a", &failure), group_id("a", &failure));
    }
}

/// Catches work that grows with what a client sends beyond all bounds.
#[test]
fn large_inputs_are_cut() {
    let endless = "    at f (/a.js:1:1)\n".repeat(100_000);
    assert!(stack::parse(&endless)[0].frames.len() <= 300);
    assert!(normalize(&"x'1 ".repeat(100_000)).len() <= 512);
    let causes = "Caused by: x\n\tat a.b.C.d(C.java:1)\n".repeat(10_000);
    assert!(stack::parse(&causes).len() <= 16);
}
