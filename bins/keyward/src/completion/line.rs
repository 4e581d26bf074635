//! A line of bash, cut into words. Nothing of it is expanded.

/// The words of `line`, without their quotes. The last one is what is being typed: empty behind a blank, and with a
/// quote that is still open.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.push(word.unwrap_or_default());
    words
}

#[cfg(test)]
mod tests {
    use super::split;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        assert_eq!(split(line), expected, "{line}");
    }

    #[test]
    fn words_are_cut_as_a_shell_cuts_them() {
        check("keyward keys ", &["keyward", "keys", ""]);
        check("keyward  keys", &["keyward", "keys"]);
        check(r#"a 'b c' "d \" e" f\ g"#, &["a", "b c", "d \" e", "f g"]);
        check("a '", &["a", ""]);
        check("a \"b c", &["a", "b c"]);
        check("a '' b", &["a", "", "b"]);
        check("a \\", &["a", ""]);
        check("", &[""]);
        check("a $(touch x) `b`", &["a", "$(touch", "x)", "`b`"]);
    }
}
