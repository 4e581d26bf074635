use super::{Request, Text, parse};
use crate::failure::Failure;

fn variable(name: &str) -> Result<Option<Text>, Failure> {
    let value = match name {
        "KEYWARD_TOKEN" => "kw_gw_1",
        "ODD" => r#"a"b'c\d$e `f"#,
        _ => return Ok(None),
    };
    Ok(Some(Text::new(value.to_owned())))
}

#[track_caller]
fn read(line: &str) -> Request {
    match parse(line, variable) {
        Ok(request) => request,
        Err(failure) => panic!("{line}: {failure}"),
    }
}

#[track_caller]
fn refused(line: &str, says: &str) {
    let told = match parse(line, variable) {
        Ok(_) => panic!("{line} is understood"),
        Err(failure) => failure.to_string(),
    };
    assert!(told.contains(says), "no `{says}` in {told}");
    assert!(!told.contains("s3cret"), "{told}");
}

fn header<'a>(request: &'a Request, name: &str) -> Vec<&'a str> {
    let headers = request.headers.iter();
    let named = headers.filter(|(given, _)| given.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_str()).collect()
}

#[track_caller]
fn check(line: &str, method: &str, target: &str, headers: &[(&str, &str)]) {
    let request = read(line);
    assert_eq!(request.method, method, "{line}");
    assert_eq!(request.target.as_str(), target, "{line}");
    for (name, value) in headers {
        let expected = [*value];
        let expected = if value.is_empty() { &[][..] } else { &expected };
        assert_eq!(header(&request, name), expected, "{line}: {name}");
    }
}

#[test]
fn the_line_that_a_snippet_shows_is_read() {
    let line = "curl \"http://127.0.0.1:8787/v1/a/default/openai/chat/completions\" \\\n  \
        -H \"cf-aig-authorization: Bearer $KEYWARD_TOKEN\" \\\r\n  \
        -H \"content-type: application/json\" \\\n  -d '{\"model\": \"$m\", \"a\": \"it'\\''s\"}'\n";
    check(
        line,
        "POST",
        "/v1/a/default/openai/chat/completions",
        &[
            ("cf-aig-authorization", "Bearer kw_gw_1"),
            ("content-type", "application/json"),
            ("host", "127.0.0.1:8787"),
            ("accept", "*/*"),
            ("user-agent", "curl"),
            ("content-length", "28"),
        ],
    );
    assert_eq!(read(line).authority, "127.0.0.1:8787");
}

#[test]
fn options_say_the_method_and_what_curl_sets() {
    check(
        "curl h/p",
        "GET",
        "/p",
        &[("host", "h"), ("content-type", ""), ("content-length", "")],
    );
    check(
        "$ curl -sSLNikv --url 'http://h?a=b#c'",
        "GET",
        "/?a=b",
        &[],
    );
    check("curl -XDELETE h", "DELETE", "/", &[]);
    check("curl --request PATCH h -o out -m 3", "PATCH", "/", &[]);
    check("curl -I h", "HEAD", "/", &[]);
    check("curl -T file h", "PUT", "/", &[("content-length", "")]);
    check(
        "curl -d a=1 --data-raw @b h",
        "POST",
        "/",
        &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", "6"),
        ],
    );
    check("curl -d @file h", "POST", "/", &[("content-length", "")]);
    check(
        "curl --json '{}' --json '[]' h",
        "POST",
        "/",
        &[
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("content-length", "4"),
        ],
    );
    check(
        "curl -F a=b h",
        "POST",
        "/",
        &[("content-type", "multipart/form-data")],
    );
    check(
        "curl -G -d a=1 -d b 'h/p?x'",
        "GET",
        "/p?x&a=1&b",
        &[("content-type", "")],
    );
    check(
        "curl -A me -e you -b a=b h",
        "GET",
        "/",
        &[("user-agent", "me"), ("referer", "you"), ("cookie", "a=b")],
    );
    check(
        "curl --oauth2-bearer x --compressed h",
        "GET",
        "/",
        &[
            ("authorization", "Bearer x"),
            ("accept-encoding", "deflate, gzip, br, zstd"),
        ],
    );
    check("curl h --no-silent | jq . > out", "GET", "/", &[]);
    check("curl h 2>&1", "GET", "/", &[]);
    check("/usr/bin/curl 'wss://h/p'; date", "GET", "/p", &[]);
}

#[test]
fn headers_are_given_taken_away_and_sent_empty() {
    let line = "curl -H'X: 1' -H 'x:2' -H 'Accept:' -H 'Empty;' -H 'Host: other' -H nonsense h";
    let request = read(line);
    assert_eq!(header(&request, "x"), ["1", "2"]);
    assert_eq!(header(&request, "accept"), [""; 0]);
    assert_eq!(header(&request, "empty"), [""]);
    assert_eq!(header(&request, "host"), ["other"]);
    assert_eq!(header(&request, "nonsense"), [""; 0]);
}

#[test]
fn variables_are_looked_up_where_a_shell_would() {
    let odd = r#"a"b'c\d$e `f"#;
    for (line, expected) in [
        ("curl h -H \"x: ${KEYWARD_TOKEN}s\"", "kw_gw_1s"),
        ("curl h -H x:$KEYWARD_TOKEN-", "kw_gw_1-"),
        ("curl h -H 'x: $KEYWARD_TOKEN'", "$KEYWARD_TOKEN"),
        ("curl h -H \"x: \\$KEYWARD_TOKEN\"", "$KEYWARD_TOKEN"),
        ("curl h -H \"x: $ODD\"", odd),
        ("curl h -H x:$ODD", odd),
        ("curl h -H 'x: a'$ODD", &format!("a{odd}")),
        ("curl h -H \"x: 5$ $1\"", "5$ $1"),
    ] {
        assert_eq!(header(&read(line), "x"), [expected], "{line}");
    }
}

#[test]
fn what_cannot_be_read_is_told_without_the_line() {
    refused("", "nothing was read");
    refused("s3cret", "does not begin with `curl`");
    refused("curl", "no URL");
    refused("curl h s3cret", "more than one URL");
    refused("curl h -H 's3cret", "within quotes");
    refused("curl h\ncurl s3cret", "more than one command");
    refused("curl http://h/?a=1&b=s3cret", "put the URL in quotes");
    refused("curl h -H \"x: $UNSET s3cret\"", "$UNSET, which is not set");
    refused(
        "curl h -H \"x: ${A:-s3cret}\"",
        "changes a variable's value",
    );
    refused("curl h -H \"x: $(cat s3cret)\"", "is not run here");
    refused("curl h -H `s3cret`", "is not run here");
    refused("curl h -H $'s3cret'", "`$'…'`");
    refused("curl h -u s3cret", "cf-aig-authorization");
    refused("curl h --next s3cret", "one request at a time");
    refused("curl h -H @s3cret", "headers from a file");
    refused("curl h -X s3cret", "its method is none");
    refused("curl h --S3CRET_s3cret", "`--…` is not known");
    refused("curl h --new-option s3cret", "`--new-option` is not known");
    refused("curl h -y s3cret", "`-y` is not known");
    refused("curl h -H", "ends behind an option");
    refused("curl user:s3cret@h", "a user or a password");
    refused("curl ftp://h/s3cret", "begins with none of");
    refused("curl http:///s3cret", "names no host");
    refused("curl h -G -d @s3cret", "comes from a file");
}
