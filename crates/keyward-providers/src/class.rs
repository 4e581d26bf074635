//! What kind of endpoint a request is for.

use std::{fmt, str::FromStr};

/// The kind of an endpoint: what a grant may be limited to, one bit each.
///
/// The bits are kept with stored grants: a class never changes its bit, and new ones take free bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u16)]
pub enum Class {
    /// Answers from a model: chat, completions, responses, messages, reranking, moderation.
    Inference = 1 << 0,
    /// Vectors from text or images.
    Embeddings = 1 << 1,
    /// Lists and descriptions of models and voices; reading only.
    Models = 1 << 2,
    /// Stored files, data sets, vector stores, caches.
    Files = 1 << 3,
    /// Jobs of many requests, answered later.
    Batch = 1 << 4,
    /// WebSocket and WebRTC sessions.
    Realtime = 1 << 5,
    /// Images made or changed.
    Images = 1 << 6,
    /// Speech and sound, made or transcribed.
    Audio = 1 << 7,
    /// Video, made or changed.
    Video = 1 << 8,
    /// Training, and the models that come of it.
    FineTuning = 1 << 9,
    /// Objects with a state of their own: assistants, threads, conversations.
    Agents = 1 << 10,
    /// Billing, members, keys, and whatever mints a credential.
    Account = 1 << 11,
    /// Everything the catalogue does not list, and every path whose class cannot be decided from its bytes.
    /// Only a grant with all classes allows it.
    Other = 1 << 12,
}

/// The text names no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an endpoint class; the classes are inference, embeddings, models, files, batch, realtime, images, audio, video, \
     fine_tuning, agents, account and other"
)]
pub struct ParseClassError;

impl Class {
    /// Every class, in the order of the bits.
    pub const ALL: &'static [Self] = &[
        Self::Inference,
        Self::Embeddings,
        Self::Models,
        Self::Files,
        Self::Batch,
        Self::Realtime,
        Self::Images,
        Self::Audio,
        Self::Video,
        Self::FineTuning,
        Self::Agents,
        Self::Account,
        Self::Other,
    ];

    /// The class's bit in a set of classes. The set of all classes is `u16::MAX`, so that it holds those of
    /// later releases too.
    #[must_use]
    pub const fn bit(self) -> u16 {
        self as u16
    }

    /// The class as configuration and tokens write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::Embeddings => "embeddings",
            Self::Models => "models",
            Self::Files => "files",
            Self::Batch => "batch",
            Self::Realtime => "realtime",
            Self::Images => "images",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::FineTuning => "fine_tuning",
            Self::Agents => "agents",
            Self::Account => "account",
            Self::Other => "other",
        }
    }

    /// Whether a provider does what such an endpoint is for with a good credential only: work that it charges for.
    /// Lists may be public.
    #[must_use]
    pub const fn proves_credential(self) -> bool {
        matches!(
            self,
            Self::Inference | Self::Embeddings | Self::Images | Self::Audio | Self::Video
        )
    }

    /// Parses what [`name`](Self::name) gives.
    ///
    /// # Errors
    ///
    /// When `text` is anything else.
    pub fn parse(text: &str) -> Result<Self, ParseClassError> {
        Self::ALL
            .iter()
            .copied()
            .find(|class| class.name() == text)
            .ok_or(ParseClassError)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Class {
    type Err = ParseClassError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::Class;

    #[test]
    fn each_class_has_one_bit_and_one_name() {
        let mut seen = 0;
        for class in Class::ALL {
            assert_eq!(class.bit().count_ones(), 1);
            assert_eq!(seen & class.bit(), 0, "{class} shares a bit");
            seen |= class.bit();
            assert_eq!(Class::parse(class.name()), Ok(*class));
        }
        assert!(Class::parse("Inference").is_err());
        let text = super::ParseClassError.to_string();
        assert!(Class::ALL.iter().all(|class| text.contains(class.name())));
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::ParseClassError;

        keyward_testing::assert_texts!("ParseClassError", [
            "a name" => ParseClassError,
        ]);
    }
}
