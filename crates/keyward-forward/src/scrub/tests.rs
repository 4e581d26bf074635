use std::{sync::Arc, time::Instant};

use base64::{Engine, engine::general_purpose};
use bytes::Bytes;
use http::{HeaderValue, header::AUTHORIZATION};
use keyward_secret::{BoundCredential, Destination, SecretBytes};
use proptest::prelude::*;

use super::{Forms, ScrubStream, Scrubber};

fn credential(secret: &[u8]) -> BoundCredential {
    let destination = Destination::parse(["https://a.example"]).unwrap();
    let secret = SecretBytes::copy_from(secret);
    BoundCredential::build(AUTHORIZATION, "Bearer ", secret, destination).unwrap()
}

fn scrubber(secret: &[u8]) -> Arc<Scrubber> {
    Arc::new(Scrubber::new(&credential(secret)))
}

/// Pushes `text` cut at `cuts`, and joins what comes out.
fn stream(scrubber: &Arc<Scrubber>, forms: Forms, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut stream = ScrubStream::new(scrubber.clone(), forms);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.push(text.len());
    cuts.sort_unstable();
    let (mut out, mut from) = (Vec::new(), 0);
    for cut in cuts {
        out.extend_from_slice(&stream.push(Bytes::copy_from_slice(&text[from..cut])));
        from = cut;
    }
    out.extend_from_slice(&stream.finish());
    out
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

proptest! {
    #[test]
    fn any_split_of_any_text_gives_the_unsplit_replacement(
        secret in "[ab*]{8,12}",
        parts in proptest::collection::vec("[ab*]{0,12}|SECRET", 0..12),
        cuts in proptest::collection::vec(0_usize..400, 0..12),
        all: bool,
    ) {
        let text = parts.concat().replace("SECRET", &secret);
        let scrubber = scrubber(secret.as_bytes());
        let forms = if all { Forms::All } else { Forms::Raw };
        let whole = stream(&scrubber, forms, text.as_bytes(), &[]);
        let split = stream(&scrubber, forms, text.as_bytes(), &cuts);
        let bytewise = stream(&scrubber, forms, text.as_bytes(), &Vec::from_iter(0..text.len()));
        prop_assert_eq!(&split, &whole);
        prop_assert_eq!(&bytewise, &whole);
        prop_assert_eq!(whole.len(), text.len());
        prop_assert!(!contains(&whole, secret.as_bytes()));
    }

    #[test]
    fn a_text_without_the_credential_is_untouched(
        text in "[ -~]{0,200}",
        cuts in proptest::collection::vec(0_usize..200, 0..8),
    ) {
        let scrubber = scrubber(b"sk-proj-0123456789abcdef");
        prop_assert_eq!(stream(&scrubber, Forms::All, text.as_bytes(), &cuts), text.as_bytes());
    }

    #[test]
    fn base64_at_any_alignment_is_masked_in_errors(
        // Without `*`, which would be masked by a character that Base64 may hold anyway.
        secret in "[!-)+-~]{12,40}",
        before in "[ -~]{0,4}",
        after in "[ -~]{0,4}",
        url_safe: bool,
    ) {
        let text = format!("{before}{secret}{after}");
        let encoded = if url_safe {
            general_purpose::URL_SAFE.encode(&text)
        } else {
            general_purpose::STANDARD.encode(&text)
        };
        let masked = scrubber(secret.as_bytes()).scrub_text(encoded.as_bytes());
        let changed = masked.iter().zip(encoded.as_bytes()).filter(|(a, b)| a != b).count();
        // All but what the neighbours decide, at each end.
        prop_assert!(changed + 4 >= secret.len() * 4 / 3, "{} of {}", changed, encoded);
    }
}

#[test]
fn a_frame_passes_uncopied_unless_it_matters() {
    let mut stream = ScrubStream::new(scrubber(b"sk-0123456789"), Forms::Raw);
    let frame = Bytes::from_static(b"data: {\"x\":\"sk-01\"}\n\n");
    assert_eq!(stream.push(frame.clone()).as_ptr(), frame.as_ptr());

    let frame = Bytes::from_static(b"data: sk-012");
    let passed = stream.push(frame.clone());
    assert_eq!(
        (passed.as_ptr(), passed.as_ref()),
        (frame.as_ptr(), &b"data: "[..])
    );
    assert_eq!(stream.held(), 6);
    assert_eq!(
        stream.push(Bytes::from_static(b"3456789!")).as_ref(),
        b"*************!"
    );
    assert_eq!(stream.held(), 0);
}

#[test]
fn error_bodies_and_headers_lose_the_encoded_forms() {
    let scrubber = scrubber(b"sk/01\"23\\45+67");
    for form in [
        r#"sk/01\"23\\45+67"#,
        r#"sk\/01\"23\\45+67"#,
        "sk%2F01%2223%5C45%2B67",
        "sk%2f01%2223%5c45%2b67",
    ] {
        let scrubbed = scrubber.scrub_text(form.as_bytes());
        assert_eq!(scrubbed, "*".repeat(form.len()).as_bytes(), "{form}");
        let value = HeaderValue::from_str(form).unwrap();
        assert_eq!(scrubber.scrub_value(&value).unwrap().as_bytes(), scrubbed);
        // A successful body is searched for the raw credential alone.
        assert_eq!(
            stream(&scrubber, Forms::Raw, form.as_bytes(), &[]),
            form.as_bytes()
        );
    }
    assert!(
        scrubber
            .scrub_value(&HeaderValue::from_static("application/json"))
            .is_none()
    );
}

#[test]
fn the_mask_is_no_part_of_the_credential() {
    let masked = scrubber(b"a*b*c*d*").scrub_text(b"<a*b*c*d*>");
    assert_eq!(masked, b"<########>");
}

#[test]
fn occurrences_that_overlap_are_masked_whole_wherever_frames_end() {
    let scrubber = scrubber(b"abababab");
    let text = b"-abababababab-";
    for cut in 0..=text.len() {
        let out = stream(&scrubber, Forms::Raw, text, &[cut]);
        assert_eq!(out, b"-************-", "cut at {cut}");
    }
}

#[test]
fn words_are_not_looked_for() {
    assert_eq!(
        scrubber(b"ollama").scrub_text(b"ollama is a server"),
        b"ollama is a server"
    );
}

#[test]
fn of_several_credentials_each_is_masked_whole() {
    let all = [
        credential(b"first-secret-1"),
        credential(b"ollama"),
        // Begins with another one.
        credential(b"first-secret-1/and-more"),
        credential(b"other/secret"),
    ];
    let scrubber = Arc::new(Scrubber::for_all(all.iter().cloned()));
    let text = b"first-secret-1 ollama first-secret-1/and-more other/secret";
    let mut masked = b"*".repeat(14);
    masked.extend_from_slice(b" ollama ");
    masked.extend_from_slice(&b"*".repeat(23));
    masked.push(b' ');
    masked.extend_from_slice(&b"*".repeat(12));
    for cut in 0..=text.len() {
        assert_eq!(stream(&scrubber, Forms::Raw, text, &[cut]), masked);
    }
    // Other forms of each in errors, and in errors alone.
    let encoded = b"other%2Fsecret";
    assert_eq!(scrubber.scrub_text(encoded), b"*".repeat(14));
    assert_eq!(stream(&scrubber, Forms::Raw, encoded, &[]), encoded);
    assert!(scrubber.is_for_all(all.iter()));
    assert!(!Scrubber::new(&all[0]).is_for_all(all.iter()));
}

#[test]
fn a_scrubber_knows_its_credential() {
    let (one, two) = (credential(b"sk-0123456789"), credential(b"sk-0123456789"));
    let scrubber = Scrubber::new(&one);
    assert!(scrubber.is_for(&one.clone()));
    assert!(!scrubber.is_for(&two));
    assert!(!format!("{scrubber:?}").contains("sk-"));
}

/// The worst case for the held tail: a text that is one beginning of the credential after another, byte by
/// byte. Eight times the text takes about eight times the time; were it quadratic, it would take 64 times.
#[test]
fn bytewise_frames_take_linear_time() {
    let scrubber = scrubber(b"sk-proj-abcdefghijklmnopqrstuvwxyz0123456789");
    let text = b"sk-proj-abcdefghijklmnopqrstuvwxyz012345678".repeat(4_000);
    let cuts: Vec<usize> = (0..text.len()).collect();
    let best = |length: usize| {
        let time = || {
            let start = Instant::now();
            let out = stream(&scrubber, Forms::Raw, &text[..length], &cuts[..length]);
            assert_eq!(out, &text[..length]);
            start.elapsed()
        };
        (0..3).map(|_| time()).min().unwrap()
    };
    let (part, whole) = (best(text.len() / 8), best(text.len()));
    assert!(
        whole < part * 32,
        "{part:?} for an eighth, {whole:?} for all"
    );
}
