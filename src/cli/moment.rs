//! Moments as they are typed: `2026-11-28T10:00:00Z`, seconds since 1970, or how long ago: `10m`.

use std::time::Duration;

use crate::docker::{Stamp, since_epoch};
use crate::model::Span;

/// A moment: seconds since 1970, and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64, pub u32);

impl Moment {
    /// Now, by the clock of this machine.
    pub(super) fn now() -> Self {
        let since = since_epoch();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Self(seconds, since.subsec_nanos())
    }

    /// As the engine says moments.
    pub(super) fn stamp(self) -> Stamp {
        let nanoseconds = i64::try_from(self.nanoseconds());
        Stamp::of_nanoseconds(nanoseconds.unwrap_or(i64::MAX))
    }

    /// How long it is until then; `None` where it is over.
    pub(super) fn ahead(self) -> Option<Duration> {
        let left = self.nanoseconds() - Self::now().nanoseconds();
        u64::try_from(left).ok().map(Duration::from_nanos)
    }

    fn of(nanoseconds: i128) -> Result<Self, String> {
        const SECOND: i128 = 1_000_000_000;
        let seconds = nanoseconds.div_euclid(SECOND);
        let seconds = i32::try_from(seconds).map_err(|_| "it is too far away".to_owned())?;
        let rest = u32::try_from(nanoseconds.rem_euclid(SECOND)).unwrap_or_default();
        Ok(Self(seconds.into(), rest))
    }

    fn nanoseconds(self) -> i128 {
        i128::from(self.0) * 1_000_000_000 + i128::from(self.1)
    }
}

/// Reads what docker takes (moby `api/types/time`), but for times without a zone.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    read(text, Moment::now())
}

fn read(text: &str, now: Moment) -> Result<Moment, String> {
    if let Some(stamp) = Stamp::parse(text) {
        let (seconds, nanoseconds) = stamp.since_epoch();
        return Moment::of(Moment(seconds, nanoseconds).nanoseconds());
    }
    if let Some(moment) = unix(text) {
        return Moment::of(moment);
    }
    if let Ok(span) = text.parse::<Span>() {
        return Moment::of(now.nanoseconds() - i128::from(span.0));
    }
    let dated = text.get(..11).unwrap_or(text);
    if dated.len() >= 10 && dated.split('-').count() == 3 {
        return Err(format!(
            "`{text}` says no time zone: `2026-11-28T10:00:00Z` or `…+02:00` does"
        ));
    }
    Err(format!(
        "`{text}` is neither a time as in `2026-11-28T10:00:00Z`, nor seconds since 1970, nor a time ago as in `10m`"
    ))
}

/// `1795000000` or `1795000000.5`.
fn unix(text: &str) -> Option<i128> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let rest: i128 = format!("{fraction:0<9}").parse().ok()?;
    Some(seconds.parse::<i64>().map(i128::from).ok()? * 1_000_000_000 + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read() {
        let now = Moment(1_795_000_000, 5);
        let read = |text: &str| super::read(text, now);
        assert_eq!(read("1970-01-01T00:01:00Z"), Ok(Moment(60, 0)));
        assert_eq!(
            read("1970-01-01T00:01:00.5+00:01"),
            Ok(Moment(0, 500_000_000))
        );
        assert_eq!(read("1794999999"), Ok(Moment(1_794_999_999, 0)));
        assert_eq!(read("1.25"), Ok(Moment(1, 250_000_000)));
        assert_eq!(read("10m"), Ok(Moment(1_794_999_400, 5)));
        assert_eq!(read("1h30m"), Ok(Moment(1_794_994_600, 5)));
        assert!(read("2026-11-28").unwrap_err().contains("time zone"));
        assert!(
            read("2026-11-28T10:00:00")
                .unwrap_err()
                .contains("time zone")
        );
        for wrong in ["yesterday", "", "1.2.3", "99999999999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
