//! A list of parts as an enum.

/// An enum of parts, told apart by the tag that the list gives to serde. A variant without a part
/// has nothing to configure.
///
/// Each list gets `all` (every kind with its defaults), `part` and, from each part, `From`.
macro_rules! part_list {
    (
        $(#[$meta:meta])*
        pub enum $list:ident: $trait:ident {
            $($(#[$variant_meta:meta])* $variant:ident $(($part:ty))?),* $(,)?
        }
    ) => {
        $(#[$meta])*
        pub enum $list {
            $($(#[$variant_meta])* $variant $(($part))?,)*
        }

        impl $list {
            /// Every kind, with its defaults.
            pub fn all() -> Vec<Self> {
                vec![$(Self::$variant $((<$part>::default()))?,)*]
            }

            /// What there is to configure; of a kind without fields nothing.
            pub fn part(&self) -> Option<&dyn $trait> {
                $($(
                    if let Self::$variant(part) = self {
                        let part: &$part = part;
                        return Some(part);
                    }
                )?)*
                None
            }
        }

        $($(
            impl From<$part> for $list {
                fn from(part: $part) -> Self {
                    Self::$variant(part)
                }
            }
        )?)*
    };
}

pub(crate) use part_list;
