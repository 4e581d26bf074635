//! How finely a client cuts its body.

/// Frames that a body may have before their size counts.
const FREE_FRAMES: u64 = 16_384;
/// Bytes that a frame has on average, beyond that. Both numbers are guesses: whoever passes text on as a model
/// writes it sends a few bytes at a time, but not for a day.
const LEAST_AVERAGE: u64 = 8;

/// Counts the frames of a body.
///
/// Each costs hyper some fixed work, on the way in and on the way out, whatever it holds; so a body in chunks of
/// one byte costs hundreds of times what its length says. HTTP/2 has such a rule in h2 (ENHANCE_YOUR_CALM).
#[derive(Debug)]
pub(super) struct Grain {
    frames: u64,
    bytes: u64,
}

impl Grain {
    pub(super) const fn new() -> Self {
        Self {
            frames: 0,
            bytes: 0,
        }
    }

    /// Counts a frame of `length` bytes, and says whether the body is cut too finely.
    pub(super) fn is_too_fine(&mut self, length: usize) -> bool {
        self.frames += 1;
        self.bytes += u64::try_from(length).unwrap_or(u64::MAX);
        self.frames > FREE_FRAMES && self.bytes < self.frames.saturating_mul(LEAST_AVERAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::{FREE_FRAMES, Grain, LEAST_AVERAGE};

    #[test]
    fn many_frames_must_hold_something() {
        let mut fine = Grain::new();
        assert!((0..FREE_FRAMES).all(|_| !fine.is_too_fine(1)));
        assert!(fine.is_too_fine(1));

        let mut usual = Grain::new();
        let length = usize::try_from(LEAST_AVERAGE).unwrap();
        assert!((0..3 * FREE_FRAMES).all(|_| !usual.is_too_fine(length)));
    }
}
