//! Which gateways, providers, aliases and endpoint classes a token is for.

/// Which names a token is for. Names are compared byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "who shows or stores a scope must handle both"
)]
pub enum Scope {
    /// Every name, also those that come later.
    All,
    /// These names. None of them means nothing at all.
    Only(Box<[Box<str>]>),
}

impl Scope {
    /// The scope of these names, sorted and once each.
    #[must_use]
    pub fn only<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut names: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        Self::Only(names.into())
    }

    /// Whether `name` is in the scope. Allocates nothing.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|known| **known == *name),
        }
    }

    /// Whether this scope allows nothing that `other` does not.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        match self {
            Self::All => *other == Self::All,
            Self::Only(names) => names.iter().all(|name| other.allows(name)),
        }
    }
}

/// Which endpoint classes a token is for: one bit each. What the bits mean, the provider catalogue says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Classes(u16);

impl Classes {
    /// Every class, also those that come later, and endpoints of no class.
    pub const ALL: Self = Self(u16::MAX);

    /// The classes with these bits.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether a request to an endpoint of the class `bit` is allowed.
    ///
    /// An endpoint of no class (0) is for tokens that are not limited to classes; one with several bits is
    /// for tokens with all of them.
    #[must_use]
    pub const fn allows(self, bit: u16) -> bool {
        self.0 == u16::MAX || (bit != 0 && self.0 & bit == bit)
    }

    /// Whether every class of these is in `other` too.
    #[must_use]
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Classes, Scope};

    fn scopes() -> impl Strategy<Value = Scope> {
        prop_oneof![
            1 => Just(Scope::All),
            3 => proptest::collection::vec("[a-d]", 0..4).prop_map(Scope::only),
        ]
    }

    #[test]
    fn an_empty_list_is_nothing_and_not_everything() {
        assert!(!Scope::only::<&str>([]).allows(""));
        assert!(!Scope::only(["prod"]).allows("Prod"));
        assert!(!Scope::only(["prod"]).allows("pro"));
    }

    #[test]
    fn an_endpoint_of_no_class_needs_a_token_without_limit() {
        assert!(Classes::ALL.allows(0));
        assert!(!Classes::from_bits(0b111).allows(0));
        assert!(!Classes::from_bits(0b011).allows(0b110));
        assert!(Classes::from_bits(0b110).allows(0b110));
    }

    proptest! {
        #[test]
        fn within_means_never_more(one in scopes(), two in scopes(), name in "[a-e]") {
            if one.is_within(&two) && one.allows(&name) {
                prop_assert!(two.allows(&name));
            }
            prop_assert!(one.is_within(&Scope::All) && one.is_within(&one));
        }

        #[test]
        fn classes_within_means_never_more(one: u16, two: u16, bit in 0_u16..) {
            let narrow = Classes::from_bits(one & two);
            let wide = Classes::from_bits(two);
            prop_assert!(narrow.is_within(wide));
            prop_assert!(!narrow.allows(bit) || wide.allows(bit));
        }
    }
}
