use keyward_routes::multipart_model;

const TYPE: &str = "multipart/form-data; boundary=----b0";

/// A form of these parts: the header's lines without their ends, and the value.
fn form(parts: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (header, value) in parts {
        form.push_str(&format!("------b0\r\n{header}\r\n\r\n{value}\r\n"));
    }
    form + "------b0--\r\n"
}

fn field(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"")
}

const FILE: (&str, &str) = (
    "Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg",
    "ID3\r\n\r\n\n--x Content-Disposition: form-data; name=\"model\"\r\n\r\nevil",
);

#[track_caller]
fn check_refused(content_type: &str, form: &str, says: &str) {
    let error = multipart_model(content_type.as_bytes(), form.as_bytes()).unwrap_err();
    assert!(error.to_string().contains(says), "{form}: {error}");
}

#[test]
fn the_one_field_is_found_beside_a_file() {
    let model = field("model");
    for parts in [[FILE, (&model, "whisper-1")], [(&model, "whisper-1"), FILE]] {
        assert_eq!(
            multipart_model(TYPE.as_bytes(), form(&parts).as_bytes()).unwrap(),
            "whisper-1"
        );
    }
    let quoted = "Multipart/Form-Data; charset=utf-8; Boundary=\"----b0\"";
    let whole = form(&[("content-disposition:form-data; name=model", "m")]);
    assert_eq!(
        multipart_model(quoted.as_bytes(), whole.as_bytes()).unwrap(),
        "m"
    );
    let before = ["\r\n", whole.trim_end()].concat();
    assert_eq!(
        multipart_model(TYPE.as_bytes(), before.as_bytes()).unwrap(),
        "m"
    );
}

#[test]
fn a_model_that_another_server_could_read_otherwise_is_refused() {
    let model = field("model");
    let twice = [(model.as_str(), "a"), (&model, "a")];
    check_refused(TYPE, &form(&twice), "twice");
    for header in [
        &field("Model"),
        &field("model[]"),
        &field(" model"),
        &field("mo\\del"),
        "Content-Disposition: form-data; name=\"model\"; name=\"x\"",
        "Content-Disposition: form-data; name*=utf-8''model",
        "Content-Disposition: form-data; name=\"x\"; name*=utf-8''model",
        "Content-Disposition: form-data; name=\"model\"; filename=\"a\"",
        "Content-Disposition: form-data; filename=\"\\\"; name=\"model\"",
        "Content-Disposition: form-data; name=\"x\"\r\nContent-Disposition: form-data; name=\"model\"",
        "Content-Disposition: form-data;\r\n name=\"model\"",
        "Content-Disposition : form-data; name=\"model\"",
        "Content-Disposition: form-data; name=\"x\"\nContent-Disposition: form-data; name=\"model\"",
        "Content-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64",
        "Content-Type: text/plain",
        "Content-Disposition: attachment; name=\"model\"",
        "Content-Disposition: form-data; name=mo\"del\"",
    ] {
        check_refused(TYPE, &form(&[(&model, "ok"), (header, "evil")]), "broken");
    }
}

#[test]
fn a_boundary_stands_only_where_a_part_begins_or_the_form_ends() {
    let model = field("model");
    let whole = form(&[(&model, "ok")]);
    let inside = |text: &str| form(&[(&model, "ok"), (&field("x"), text)]);
    for broken in [
        inside("\n------b0\nContent-Disposition: form-data; name=\"model\"\n\nevil"),
        inside("a------b0"),
        inside("\r\n------b0 \r\n"),
        inside("\r\n------b0x\r\n"),
        whole.replacen("------b0\r\n", "------b0\n", 1),
        ["preamble\r\n", &whole].concat(),
        [&whole, "epilogue"].concat(),
        [whole.as_str(), &whole].concat(),
        whole.trim_end().trim_end_matches('-').to_owned(),
        "------b0--".to_owned(),
        "------b0\r\n------b0--".to_owned(),
        "------b0\r\n\r\n------b0--".to_owned(),
        String::new(),
        "{\"model\":\"x\"}".to_owned(),
    ] {
        check_refused(TYPE, &broken, "broken");
    }
}

#[test]
fn values_and_counts_are_bounded() {
    let model = field("model");
    check_refused(TYPE, &form(&[(&model, "")]), "empty");
    check_refused(TYPE, &form(&[(&model, &"a".repeat(257))]), "longer");
    check_refused(TYPE, &form(&[(&model, "a\n")]), "control");
    check_refused(TYPE, &form(&[FILE]), "names no `model`");
    let header = [model.as_str(), "\r\nX: ", &"y".repeat(9_000)].concat();
    check_refused(TYPE, &form(&[(&header, "a")]), "broken");
    let x = field("x");
    let many = vec![(x.as_str(), ""); 300];
    check_refused(TYPE, &form(&many), "256 parts");
}

#[test]
fn the_boundary_is_named_once_and_plainly() {
    let whole = form(&[(&field("model"), "m")]);
    for content_type in [
        "multipart/form-data",
        "multipart/mixed; boundary=----b0",
        "application/json",
        "",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=----b0; boundary=----b0",
        "multipart/form-data; boundary=----b0; boundary*0=x",
        "multipart/form-data; boundary=\"----b0",
        "multipart/form-data; boundary=a\\b",
        &format!("multipart/form-data; boundary={}", "a".repeat(71)),
    ] {
        check_refused(content_type, &whole, "boundary");
    }
}
