//! What providers say at times, and should not.

/// Bodies of OpenAI's form with nonsense in them, and what is left of them.
pub(crate) const NONSENSE: &[(&str, [i64; 6])] = &[
    // Negative, a fraction, a text, an object, too large.
    (
        r#"{"usage":{"prompt_tokens":-1,"completion_tokens":5}}"#,
        [-1, -1, -1, -1, 5, -1],
    ),
    (
        r#"{"usage":{"prompt_tokens":3,"completion_tokens":5.5}}"#,
        [3, -1, -1, -1, -1, -1],
    ),
    (
        r#"{"usage":{"prompt_tokens":"3","completion_tokens":5}}"#,
        [-1, -1, -1, -1, 5, -1],
    ),
    (
        r#"{"usage":{"prompt_tokens":{},"completion_tokens":5}}"#,
        [-1, -1, -1, -1, 5, -1],
    ),
    (
        r#"{"usage":{"prompt_tokens":99999999999999999999,"completion_tokens":5}}"#,
        [-1, -1, -1, -1, 5, -1],
    ),
    // A part that is larger than its whole.
    (
        r#"{"usage":{"prompt_tokens":392,"completion_tokens":37,"prompt_tokens_details":{"cached_tokens":461},"completion_tokens_details":{"reasoning_tokens":38}}}"#,
        [392, -1, -1, -1, 37, -1],
    ),
    // No object, an empty one, one that was cut, and what is no JSON.
    (r#"{"usage":7}"#, [-1; 6]),
    (r#"{"usage":[{"prompt_tokens":1}]}"#, [-1; 6]),
    (r#"{"usage":{}}"#, [-1; 6]),
    (r#"{"usage":{"prompt_tokens":1"#, [-1; 6]),
    (r#"{"choices":[{"usage":{"prompt_tokens":1}}]}"#, [-1; 6]),
    (r#"{"a":"b\""usage":{"prompt_tokens":1}}"#, [-1; 6]),
    (r#"}}}]]]"usage":{"prompt_tokens":1}"#, [-1; 6]),
    ("", [-1; 6]),
];
