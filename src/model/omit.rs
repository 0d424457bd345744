//! What is not written out, as Go's `omitempty` leaves it out: a value that says no more than its absence.

#![allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)] // serde hands over these

use super::Bytes;

/// No number, or zero.
pub(super) fn zero(number: &Option<i64>) -> bool {
    number.is_none_or(|number| number == 0)
}

/// No size, or none of it.
pub(super) fn no_bytes(size: &Option<Bytes>) -> bool {
    size.is_none_or(|size| size.0 == 0)
}

/// No text, or an empty one.
pub(super) fn blank(text: &Option<String>) -> bool {
    text.as_ref().is_none_or(String::is_empty)
}
