//! Finds a part of a multipart body.

use memchr::memmem;

/// One part of a form.
pub(super) struct Part<'a> {
    pub(super) file_name: Option<String>,
    pub(super) content: &'a [u8],
}

/// The part with that form name, if the body is whole.
pub(super) fn find_part<'a>(content_type: &str, body: &'a [u8], name: &str) -> Option<Part<'a>> {
    let boundary = parameter(content_type, "boundary")?;
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    // The first delimiter has no line end before it, and the last one is followed by two dashes.
    let mut rest = body.strip_prefix(&delimiter[2..])?;
    loop {
        let part = rest.strip_prefix(b"\r\n")?;
        let end = memmem::find(part, &delimiter)?;
        let head_end = memmem::find(&part[..end], b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&part[..head_end]);
        let disposition = head.lines().find(|line| {
            line.to_ascii_lowercase()
                .starts_with("content-disposition:")
        })?;
        if parameter(disposition, "name").as_deref() == Some(name) {
            return Some(Part {
                file_name: parameter(disposition, "filename"),
                content: &part[head_end + 4..end],
            });
        }
        rest = &part[end + delimiter.len()..];
    }
}

/// A parameter's value, without its quotes.
fn parameter(line: &str, name: &str) -> Option<String> {
    line.split(';').skip(1).find_map(|item| {
        let (candidate, value) = item.trim().split_once('=')?;
        candidate
            .eq_ignore_ascii_case(name)
            .then(|| value.trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::find_part;

    #[test]
    fn the_named_part_is_found_with_its_exact_bytes() {
        let body = b"--B\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
            --B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\
            Content-Type: application/octet-stream\r\n\r\n\r\n--\0\r\n\r\n--B--\r\n";
        let content_type = "multipart/form-data; boundary=\"B\"";
        let part = find_part(content_type, body, "file").unwrap();
        assert_eq!(part.content, b"\r\n--\0\r\n");
        assert_eq!(part.file_name.as_deref(), Some("a.bin"));
        assert_eq!(
            find_part(content_type, body, "purpose").unwrap().content,
            b"batch"
        );
        assert!(find_part(content_type, body, "absent").is_none());
        assert!(find_part(content_type, &body[..150], "file").is_none());
        assert!(find_part("text/plain", body, "file").is_none());
    }
}
