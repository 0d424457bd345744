//! How an attribute may be written, how two writings of it merge, and whether larder carries it out: the
//! vocabulary of the tables in `attributes`. One description drives checking, long forms, merging and warnings.

use serde_json::Value;

use super::error::Error;
use super::path::At;

/// What a value may be, and the canonical form it gets.
pub(super) enum Shape {
    /// Kept as written.
    Any,
    Text,
    /// Text, or a number that becomes text.
    Scalar,
    /// The same for a number without a fraction.
    Digits,
    /// True or false, also as text: a variable has no other way.
    Bool,
    Int,
    /// A number of which the fraction counts for nothing.
    Whole,
    Number,
    /// Bytes: a number, or text with a unit; canonical as decimal text.
    Size,
    /// A duration; canonical as Go prints it.
    Duration,
    OneOf(&'static [&'static str]),
    List(&'static Shape),
    /// A text, or a list of them; canonical as a list.
    Texts,
    /// A map, or a list of `NAME=value`; canonical as a map to text, null where no value stands.
    Variables,
    /// The same with empty text for null.
    Labels,
    /// An object with known attributes.
    Fields(&'static Table),
    /// An object whose keys are names of the user's own.
    Named(&'static Shape),
    /// The same for keys that may be any text.
    Map(&'static Shape),
    /// That, and where it is a list no item stands in it twice.
    Distinct(&'static Shape),
    /// That, written as text.
    OnlyText(&'static Shape),
    /// That, not written as text.
    NoText(&'static Shape),
    /// Null, or that.
    Maybe(&'static Shape),
    /// That, and its text passes.
    Checked(Check, &'static Shape),
    /// A whole number, or that; the words say both.
    IntOr(&'static str, &'static Shape),
    /// Brought to its long form first; the words say which writings there are.
    Long(fn(Value) -> Value, &'static str, &'static Shape),
    /// The same where the short form has a grammar.
    Parsed(ParsedForm, &'static str, &'static Shape),
    /// A list in which one short item may stand for several long ones.
    Items(ItemForm, &'static str, &'static Shape),
}

/// Says what is wrong with a text.
pub(super) type Check = fn(&str) -> Result<(), String>;

/// Turns any writing of an attribute into its long one, or says what is wrong with the short one.
pub(super) type ParsedForm = fn(Value, At<'_>) -> Result<Value, Error>;

/// The same for an item of a list.
pub(super) type ItemForm = fn(Value, At<'_>) -> Result<Vec<Value>, Error>;

impl Shape {
    /// What a value has become once it is canonical.
    pub(super) fn canonical(&self) -> &Shape {
        match self {
            Self::Maybe(inner)
            | Self::Checked(_, inner)
            | Self::Distinct(inner)
            | Self::IntOr(_, inner)
            | Self::OnlyText(inner)
            | Self::NoText(inner)
            | Self::Long(_, _, inner)
            | Self::Parsed(_, _, inner) => inner.canonical(),
            shape => shape,
        }
    }
}

/// The attributes of an object, sorted by name.
pub(super) struct Table {
    pub(super) fields: &'static [Field],
    pub(super) extensions: Extensions,
    /// Whether it may have attributes that nobody knows; they are dropped.
    pub(super) open: bool,
    /// What it cannot do without, once all files are merged.
    pub(super) needs: &'static [&'static str],
}

/// What becomes of `x-*` keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extensions {
    Kept,
    /// The model has no room for them.
    Dropped,
    /// They are attributes that nobody knows.
    Refused,
}

/// One attribute.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) merge: Merge,
    pub(super) standing: Standing,
    /// Whether nothing, a zero or an empty text, is another thing than not to be there.
    pub(super) kept: bool,
}

/// How a later file's value meets an earlier one's (compose-go `override/merge.go`, `uncity.go`).
#[derive(Clone, Copy)]
pub(super) enum Merge {
    /// Maps merge, lists append, scalars replace.
    Deep,
    /// The later one wins whole.
    Replace,
    /// Lists append; of items with one identity the later replaces the earlier.
    Unique(Identity),
    /// See `pools`.
    Pools,
    /// Maps merge; of what both have, the later one wins whole.
    ReplaceEach,
    /// Options merge only where the driver stays the same.
    Logging,
}

/// What makes two items of a list the same one.
pub(super) type Identity = fn(&Value) -> String;

/// What larder does with an attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Carried,
    /// No effect on a start, for docker compose neither.
    Harmless,
    /// Valid, not carried out yet: a warning.
    Later,
    /// Valid, and left out by docker compose, too: a warning.
    Dropped,
    /// Outside of what larder is for.
    Refused(&'static str),
}

impl Field {
    pub(super) const fn new(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            merge: Merge::Deep,
            standing: Standing::Carried,
            kept: false,
        }
    }

    pub(super) const fn merge(self, merge: Merge) -> Self {
        Self { merge, ..self }
    }

    /// Nothing said is another thing than nothing.
    pub(super) const fn kept(self) -> Self {
        Self { kept: true, ..self }
    }

    pub(super) const fn later(self) -> Self {
        self.standing(Standing::Later)
    }

    pub(super) const fn harmless(self) -> Self {
        self.standing(Standing::Harmless)
    }

    pub(super) const fn dropped(self) -> Self {
        self.standing(Standing::Dropped)
    }

    pub(super) const fn refused(self, what: &'static str) -> Self {
        self.standing(Standing::Refused(what))
    }

    const fn standing(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }
}

impl Table {
    pub(super) const fn needs(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }

    /// Not even extensions may be added.
    pub(super) const fn strict(self) -> Self {
        let extensions = Extensions::Refused;
        Self { extensions, ..self }
    }

    /// Attributes that nobody knows are passed over.
    pub(super) const fn open(self) -> Self {
        Self { open: true, ..self }
    }

    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        let at = self
            .fields
            .binary_search_by(|field| field.name.cmp(name))
            .ok()?;
        Some(&self.fields[at])
    }
}

/// An attribute that larder carries out.
pub(super) const fn field(name: &'static str, shape: Shape) -> Field {
    Field::new(name, shape)
}

/// A table whose place in the model keeps `x-*`.
pub(super) const fn table(fields: &'static [Field]) -> Table {
    Table {
        fields,
        extensions: Extensions::Kept,
        open: false,
        needs: &[],
    }
}

/// A table whose place in the model has no room for `x-*`.
pub(super) const fn closed(fields: &'static [Field]) -> Table {
    Table {
        fields,
        extensions: Extensions::Dropped,
        open: false,
        needs: &[],
    }
}

/// Whether a key is an extension, which any object may have.
pub(super) fn is_extension(key: &str) -> bool {
    key.starts_with("x-")
}
