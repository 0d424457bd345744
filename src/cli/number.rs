//! Numbers as they are typed, and what is said of words that are none.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

/// Reads a whole number that is not less than `LEAST`.
pub(super) fn at_least<const LEAST: u64, N>(text: &str) -> Result<N, String>
where
    N: FromStr<Err = ParseIntError>,
{
    let number: Result<u64, ParseIntError> = text.parse();
    let overflows = |error: &ParseIntError| *error.kind() == IntErrorKind::PosOverflow;
    match (number, text.parse()) {
        (Ok(number), Ok(read)) if number >= LEAST => Ok(read),
        (Err(error), _) | (Ok(_), Err(error)) if overflows(&error) => {
            Err(format!("`{text}` is too large"))
        }
        _ => Err(format!(
            "`{text}` is not a whole number of at least {LEAST}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn what_is_no_number_is_said_in_words() {
        assert_eq!(at_least::<1, u32>("7"), Ok(7));
        assert_eq!(at_least::<0, u32>("0"), Ok(0));
        assert_eq!(
            at_least::<1, NonZeroUsize>("3"),
            Ok(NonZeroUsize::MIN.saturating_add(2))
        );
        for text in ["0", "-1", "x", "", "1.5", "5s"] {
            let said = format!("`{text}` is not a whole number of at least 1");
            assert_eq!(at_least::<1, u32>(text), Err(said.clone()));
            assert_eq!(at_least::<1, NonZeroUsize>(text), Err(said));
        }
        let large = at_least::<1, u16>("70000");
        assert_eq!(large, Err("`70000` is too large".to_owned()));
        assert!(
            at_least::<0, u64>(&"9".repeat(40))
                .unwrap_err()
                .ends_with(" is too large")
        );
    }
}
