//! Sizes and durations, read and written in Compose's notation.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes, written in canonical Compose as a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub i64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Bytes {
    type Err = InvalidUnit;

    /// docker/go-units `RAMInBytes`: a decimal number and `b`, `k`, `m`, `g`, `t` or `p`, all but the first also with
    /// `b` or `ib` behind it, all of them powers of 1024, in any case.
    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        let invalid = || InvalidUnit {
            text: text.to_owned(),
            kind: "a size, as in `64m` or `1.5g`",
        };
        let end = text
            .rfind(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' '))
            .ok_or_else(invalid)?;
        let (number, unit) = text.split_at(end + 1);
        let number = number.strip_suffix(' ').unwrap_or(number);
        let power = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 1,
            "m" | "mb" | "mib" => 2,
            "g" | "gb" | "gib" => 3,
            "t" | "tb" | "tib" => 4,
            "p" | "pb" | "pib" => 5,
            _ => return Err(invalid()),
        };
        if let (0, Ok(bytes @ 0..)) = (power, number.parse::<i64>()) {
            return Ok(Self(bytes));
        }
        let bytes = decimal_number(number).ok_or_else(invalid)? * 1024f64.powi(power);
        if !(0.0..9.2e18).contains(&bytes) {
            return Err(invalid());
        }
        #[allow(clippy::cast_possible_truncation)]
        // go-units truncates too, and the range was checked
        Ok(Self(bytes as i64))
    }
}

/// A number as Go reads it: an underscore may stand between two digits.
fn decimal_number(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let mut underscores = text.match_indices('_');
    let parted = underscores.all(|(at, _)| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)));
    text.replace('_', "").parse().ok().filter(|_| parted)
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(bytes) => Ok(Self(bytes)),
            // Less than nothing is no limit.
            Written::Text(text) => match text.parse() {
                Ok(bytes) => Ok(Self(bytes)),
                Err(_) => text.parse().map_err(D::Error::custom),
            },
        }
    }
}

/// A duration in nanoseconds, written as Go writes it: `1m30s`, `500ms`, `0s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub i64);

impl Span {
    /// As a standard duration; a negative one counts as none.
    pub fn as_duration(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl fmt::Display for Span {
    /// Go's `time.Duration.String`: hours, minutes and fractional seconds, or one unit below a second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if nanos == 0 {
            return f.write_str("0s");
        }
        for (unit, name) in [(1_000, "ns"), (1_000_000, "µs"), (1_000_000_000, "ms")] {
            if nanos < unit {
                return write!(f, "{}{name}", decimal(nanos, unit / 1_000));
            }
        }
        let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write!(
            f,
            "{}s",
            decimal(seconds % 60 * 1_000_000_000 + rest, 1_000_000_000)
        )
    }
}

/// `value / unit` with the fraction's trailing zeros left out.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{whole}.{rest:0width$}")
        .trim_end_matches('0')
        .to_owned()
}

impl FromStr for Span {
    type Err = InvalidUnit;

    /// Go's `time.ParseDuration` with days and weeks added: numbers with units behind them, `1m30s`, `1.5h`.
    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        let invalid = || InvalidUnit {
            text: text.to_owned(),
            kind: "a duration, as in `30s` or `1m30s`",
        };
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut nanos = 0u64;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or_else(invalid)?;
            let (number, tail) = rest.split_at(digits);
            let end = tail
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            let part = unit_nanos(unit).and_then(|unit| times(number, unit));
            let sum = part.and_then(|part| nanos.checked_add(part));
            nanos = sum.ok_or_else(invalid)?;
            rest = tail;
        }
        // The least has no counterpart above zero.
        let nanos = i128::from(nanos) * if negative { -1 } else { 1 };
        i64::try_from(nanos).map(Self).map_err(|_| invalid())
    }
}

/// A unit of a duration in nanoseconds.
fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        "w" => 604_800_000_000_000,
        _ => return None,
    })
}

/// A decimal number times a unit, what is below a nanosecond cut off. The whole part is exact, as in Go: what is printed is
/// read to the same.
fn times(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| match text {
        "" => Some(0),
        text => text.parse::<u64>().ok(),
    };
    let whole = digits(whole)?.checked_mul(unit)?;
    // More than 18 digits are far below a nanosecond.
    let fraction = fraction.get(..fraction.len().min(18))?;
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u128::from(digits(fraction)?) * u128::from(unit) / scale;
    whole.checked_add(u64::try_from(part).ok()?)
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// A text that is not a size or duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}")]
pub struct InvalidUnit {
    text: String,
    kind: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_go_prints_them() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (500_000_000, "500ms"),
            (1_500_000_000, "1.5s"),
            (90_000_000_000, "1m30s"),
            (86_400_000_000_000, "24h0m0s"),
            (-1_000_000_000, "-1s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(Span(nanos).to_string(), text);
            assert_eq!(text.parse(), Ok(Span(nanos)));
        }
        assert_eq!("1d".parse(), Ok(Span(86_400_000_000_000)));
        let long = Span(9_007_200_254_740_993_123);
        assert_eq!(long.to_string().parse(), Ok(long));
        assert_eq!("0.1234567891234567891h".parse(), Ok(Span(444_444_440_844)));
        assert_eq!("1.9ns".parse(), Ok(Span(1)));
        for text in [
            "90", "1m30", "1 m", "", "s", "-", "1x", ".s", "1.2.3s", "-.-s", "106752d",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_longest_durations_are_read_as_they_are_printed() {
        for span in [Span(i64::MIN), Span(i64::MIN + 1), Span(i64::MAX)] {
            assert_eq!(span.to_string().parse(), Ok(span));
        }
        assert!("2562047h47m16.854775808s".parse::<Span>().is_err());
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        let cases = [
            ("64m", 67_108_864),
            ("64MB", 67_108_864),
            ("64MiB", 67_108_864),
            ("1.5g", 1_610_612_736),
            ("1 g", 1_073_741_824),
            ("512", 512),
            ("12b", 12),
            ("1_000", 1000),
            ("+1e3", 1000),
            (".5k", 512),
            ("9223372036854775807", i64::MAX),
            ("9007199254740993", 9_007_199_254_740_993),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in [
            "",
            "m",
            "1x",
            "-1",
            "1ib",
            "1Gi",
            "1bb",
            "_1",
            "1__0",
            "1  g",
            "inf",
            "99999999t",
        ] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }
}
