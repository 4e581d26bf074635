//! Masks the credential in the payload of WebSocket frames (RFC 6455 §5.2), and leaves the rest as it is.
//!
//! A match keeps its length, so frames stay frames. It is looked for within one frame: at a frame's end
//! nothing is held back, because the next one may be long in coming. Stated limits: a credential that is
//! split over two frames of a message, and one in a compressed message, pass.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::{
    Scrubber,
    scrub::{Forms, ScrubStream},
};

/// `RSV1`: the message is compressed (RFC 7692 §6).
const COMPRESSED: u8 = 0x40;
const MASKED: u8 = 0x80;
/// The longest head: two bytes, eight of length, four of mask.
const LONGEST_HEAD: usize = 14;

/// Follows the frames of one direction.
pub(crate) struct FrameScrub {
    scrub: ScrubStream,
    at: At,
}

/// Where in a frame the stream stands.
enum At {
    Head {
        bytes: [u8; LONGEST_HEAD],
        length: usize,
    },
    Payload {
        left: u64,
        is_plain: bool,
    },
}

impl FrameScrub {
    pub(crate) fn new(scrubber: Arc<Scrubber>) -> Self {
        Self {
            scrub: ScrubStream::new(scrubber, Forms::Raw),
            at: At::start(),
        }
    }

    /// Takes a piece of the stream in, and gives out what may go on: the piece itself, unless the credential
    /// or the beginning of it is in there.
    pub(crate) fn pass(&mut self, piece: Bytes) -> Bytes {
        if self.scrub.passes_untouched(&piece) {
            self.advance(piece.clone(), None);
            return piece;
        }
        let mut out = BytesMut::with_capacity(piece.len() + self.scrub.held());
        self.advance(piece, Some(&mut out));
        out.freeze()
    }

    /// What is held back, at the end of the stream.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.scrub.finish()
    }

    /// Follows the frames through `piece`; with `out`, writes there what may go on.
    fn advance(&mut self, mut piece: Bytes, mut out: Option<&mut BytesMut>) {
        while let Some(first) = piece.first().copied() {
            match &mut self.at {
                At::Head { bytes, length } => {
                    if let Some(slot) = bytes.get_mut(*length) {
                        *slot = first;
                    }
                    *length += 1;
                    let next = bytes.get(..*length).and_then(At::behind);
                    if let Some(out) = out.as_deref_mut() {
                        out.extend_from_slice(&[first]);
                    }
                    drop(piece.split_to(1));
                    if let Some(next) = next {
                        self.at = next;
                    }
                }
                At::Payload { left, is_plain } => {
                    let here =
                        usize::try_from(*left).map_or(piece.len(), |left| left.min(piece.len()));
                    let payload = piece.split_to(here);
                    *left -= u64::try_from(here).unwrap_or(*left);
                    let is_plain = *is_plain;
                    let is_end = *left == 0;
                    if is_end {
                        self.at = At::start();
                    }
                    let Some(out) = out.as_deref_mut() else {
                        continue;
                    };
                    if is_plain {
                        out.extend_from_slice(&self.scrub.push(payload));
                    } else {
                        out.extend_from_slice(&payload);
                    }
                    if is_end {
                        out.extend_from_slice(&self.scrub.finish());
                    }
                }
            }
        }
    }
}

impl At {
    const fn start() -> Self {
        Self::Head {
            bytes: [0; LONGEST_HEAD],
            length: 0,
        }
    }

    /// What follows a head; none while the head is not complete.
    fn behind(head: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = head else {
            return None;
        };
        let is_masked = second & MASKED != 0;
        let (left, rest) = match second & !MASKED {
            126 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                (u64::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk::<8>()?;
                (u64::from_be_bytes(*length), rest)
            }
            short => (u64::from(short), rest),
        };
        if is_masked && rest.len() < 4 {
            return None;
        }
        if left == 0 {
            return Some(Self::start());
        }
        // What no upstream may send, masked frames, is passed on for the client to refuse.
        let is_plain = !is_masked && first & COMPRESSED == 0;
        Some(Self::Payload { left, is_plain })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use keyward_secret::{BoundCredential, Destination, SecretBytes};
    use proptest::prelude::*;

    use super::FrameScrub;
    use crate::Scrubber;

    const SECRET: &str = "sk-canary-0123456789abcdefXYZ";

    fn scrub() -> FrameScrub {
        let credential = BoundCredential::build(
            http::header::AUTHORIZATION,
            "Bearer ",
            SecretBytes::copy_from(SECRET.as_bytes()),
            Destination::parse(["https://api.example.com"]).unwrap(),
        )
        .unwrap();
        FrameScrub::new(Arc::new(Scrubber::new(&credential)))
    }

    /// A frame as servers send it, with this first byte.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            short @ 0..126 => bytes.push(u8::try_from(short).unwrap()),
            middle @ 126..65_536 => {
                bytes.push(126);
                bytes.extend_from_slice(&u16::try_from(middle).unwrap().to_be_bytes());
            }
            long => {
                bytes.push(127);
                bytes.extend_from_slice(&u64::try_from(long).unwrap().to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    /// What comes out of a stream that comes in pieces of this size.
    fn shown(stream: &[u8], size: usize) -> Vec<u8> {
        let mut scrub = scrub();
        let mut out = Vec::new();
        for piece in stream.chunks(size) {
            out.extend_from_slice(&scrub.pass(Bytes::copy_from_slice(piece)));
        }
        out.extend_from_slice(&scrub.finish());
        out
    }

    #[test]
    fn a_credential_in_a_frame_is_masked_wherever_the_stream_is_cut() {
        for padding in [0, 100, 200, 70_000] {
            let text = format!("{}{SECRET}!", "x".repeat(padding));
            let masked = text.replace(SECRET, &"*".repeat(SECRET.len()));
            let stream = [frame(0x81, text.as_bytes()), frame(0x89, b"ping")].concat();
            let expected = [frame(0x81, masked.as_bytes()), frame(0x89, b"ping")].concat();
            for size in [1, 2, 3, 7, 29, 30, 31, 8192] {
                assert!(shown(&stream, size) == expected, "{padding} by {size}");
            }
        }
    }

    #[test]
    fn the_end_of_a_frame_waits_for_nothing() {
        let mut scrub = scrub();
        let stream = frame(0x81, b"it begins like sk-canary-01");
        assert_eq!(scrub.pass(Bytes::from(stream.clone())), stream);
    }

    #[test]
    fn a_length_that_reads_like_the_credential_is_no_part_of_it() {
        // The length is `s`, and the payload continues the credential.
        let payload = format!("{}{}", &SECRET[1..], "x".repeat(115 - SECRET.len() + 1));
        let stream = frame(0x81, payload.as_bytes());
        assert_eq!(stream[1], b's');
        for size in [1, 5, 8192] {
            assert_eq!(shown(&stream, size), stream, "{size}");
        }
    }

    #[test]
    fn compressed_and_masked_frames_pass() {
        let compressed = frame(0xC1, SECRET.as_bytes());
        assert_eq!(shown(&compressed, 8192), compressed);
        let mut masked = vec![0x81, 0x80 | u8::try_from(SECRET.len()).unwrap(), 0, 0, 0, 0];
        masked.extend_from_slice(SECRET.as_bytes());
        assert_eq!(shown(&masked, 8192), masked);
    }

    proptest! {
        #[test]
        fn the_framing_stays(
            payloads in proptest::collection::vec("[a-z]{0,5}(sk-canary-0123456789abcdefXYZ)?[a-z]{0,300}", 0..6),
            size in 1_usize..40,
        ) {
            let stream: Vec<u8> = payloads.iter().flat_map(|text| frame(0x01, text.as_bytes())).collect();
            let stars = "*".repeat(SECRET.len());
            let expected: Vec<u8> = payloads
                .iter()
                .flat_map(|text| frame(0x01, text.replace(SECRET, &stars).as_bytes()))
                .collect();
            prop_assert_eq!(shown(&stream, size), expected);
        }

        #[test]
        fn whatever_comes_goes_on(stream: Vec<u8>, size in 1_usize..40) {
            prop_assert_eq!(shown(&stream, size).len(), stream.len());
        }
    }
}
