use std::fs;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXUPPER};

use super::{Hit, Sweeper};
use crate::{Canary, Form};

// Not registered: these texts are planted on purpose, a sweep of the whole suite must not look for them.
fn canary() -> Canary {
    Canary::of(
        "planted",
        "sk-kwcanary-0aB9zYx8Wv7Ut6Sr5Qp4On3Ml2Kj1Ih0Gf9Ed8",
    )
}

fn other() -> Canary {
    Canary::of("other", "passphrase with ?? and >> and ~~ in it")
}

fn scan(bytes: &[u8]) -> Vec<Hit> {
    Sweeper::new(&[canary(), other(), canary()]).scan_bytes("here", bytes)
}

#[track_caller]
fn assert_found(planted: &[u8], form: Form, name: &str) {
    let mut bytes = b"before >".to_vec();
    bytes.extend_from_slice(planted);
    bytes.extend_from_slice(b"< after");
    let hits = scan(&bytes);
    assert_eq!(hits.len(), 1, "{form}: {hits:?}");
    assert_eq!((hits[0].form, hits[0].canary.as_str()), (form, name));
    assert!(
        (8..8 + planted.len()).contains(&hits[0].offset),
        "{form}: {hits:?}"
    );
}

#[test]
fn every_form_is_found() {
    for planted in [canary(), other()] {
        for form in Form::ENCODINGS {
            let text = form.encode(planted.text().as_bytes());
            assert_found(&text, form, planted.name());
            assert_found(&text.to_ascii_uppercase(), form, planted.name());
            assert_found(&text.to_ascii_lowercase(), form, planted.name());
        }
        let upper = HEXUPPER.encode(planted.text().as_bytes());
        assert_found(upper.as_bytes(), Form::Hex, planted.name());
        let compact = serde_json::to_vec(planted.text().as_bytes()).unwrap();
        assert_found(&compact, Form::ByteList, planted.name());
    }
}

#[test]
fn base64_is_found_at_every_alignment_in_both_alphabets() {
    for planted in [canary(), other()] {
        for before in 0..7 {
            for after in 0..4 {
                let text = format!(
                    "{}{}{}",
                    "Basic: "[..before].to_owned(),
                    planted.text(),
                    "\u{1f}yz"[..after.min(3)].to_owned()
                );
                for encoding in [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD] {
                    let encoded = encoding.encode(text.as_bytes());
                    assert_found(encoded.as_bytes(), Form::Base64, planted.name());
                }
            }
        }
    }
}

#[test]
fn twelve_characters_of_the_random_part_are_a_hit_and_eleven_are_not() {
    let canary = canary();
    let random = canary.random_part().as_bytes();
    for start in 0..=random.len() - 12 {
        assert_found(&random[start..start + 12], Form::Part, canary.name());
        assert_eq!(scan(&random[start..start + 11]), []);
    }
    // In base64 too, where what stands before decides which characters show.
    for before in ["", "_", "__"] {
        let part = [before.as_bytes(), &random[7..19], b"__"].concat();
        let encoded = BASE64.encode(&part);
        assert_found(encoded.as_bytes(), Form::Base64, canary.name());
    }
    // Cut short in an encoded form.
    let hex = Form::Hex.encode(canary.text().as_bytes());
    assert_found(&hex[30..60], Form::Hex, canary.name());
}

#[test]
fn clean_bytes_have_no_hit() {
    let mut noise = vec![0; 1 << 20];
    getrandom::fill(&mut noise).unwrap();
    assert_eq!(scan(&noise), []);
    for encoding in [BASE64, BASE64URL, HEXUPPER] {
        assert_eq!(scan(encoding.encode(&noise).as_bytes()), []);
    }
    // What every canary shares is no secret.
    assert_eq!(scan(b"sk-kwcanary- sk-kwcanary-****"), []);
    assert_eq!(scan(b""), []);
    assert_eq!(Sweeper::new(&[]).scan_bytes("here", &noise), []);
}

#[test]
fn every_stretch_is_reported_once_with_its_offset_and_never_its_value() {
    let canary = canary();
    let bytes = format!("{0} and {0}, {1}", canary.text(), other().text());
    let hits = scan(bytes.as_bytes());
    let found: Vec<(usize, &str)> = hits
        .iter()
        .map(|hit| (hit.offset, hit.canary.as_str()))
        .collect();
    assert_eq!(found, [(12, "planted"), (67, "planted"), (107, "other")]);
    let report = format!("{hits:?} {}", hits[0]);
    assert_eq!(scan(report.as_bytes()), []);
    assert_eq!(
        hits[0].to_string(),
        "here, byte 12: canary `planted` as raw text"
    );
}

#[test]
fn a_directory_is_read_to_its_depth_with_its_names() {
    let canary = canary();
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("data.db"), format!("..{}", canary.text())).unwrap();
    fs::write(deep.join("clean"), "nothing").unwrap();
    fs::write(dir.path().join("list.txt"), canary.text()).unwrap();
    fs::write(dir.path().join("a/skipped"), canary.text()).unwrap();
    let named = dir.path().join(canary.text());
    fs::create_dir(&named).unwrap();
    fs::write(named.join("inside"), canary.text()).unwrap();

    let sweeper = Sweeper::new(std::slice::from_ref(&canary));
    let hits = sweeper
        .scan_dir(dir.path(), &["list.txt", "a/skipped"])
        .unwrap();
    let labels: Vec<&str> = hits.iter().map(|hit| hit.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "a/b/data.db",
            "(the name of a file)",
            "(a file with a canary in its name)/inside"
        ]
    );
    assert_eq!(scan(format!("{hits:?}").as_bytes()), []);
    assert!(sweeper.scan_dir(&dir.path().join("absent"), &[]).is_err());
}
