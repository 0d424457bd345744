//! When a container printed a line, in the engine's words: RFC 3339 with nanoseconds.

use std::time::{Duration, SystemTime};

/// How long ago 1970 began, by the clock of this machine.
pub fn since_epoch() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default()
}

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Whole seconds since 1970.
    pub seconds: i64,
    nanoseconds: u32,
    /// As the engine wrote it.
    pub text: String,
}

impl Stamp {
    /// Seconds since 1970, and nanoseconds.
    pub fn since_epoch(&self) -> (i64, u32) {
        (self.seconds, self.nanoseconds)
    }

    /// This moment, as this machine has it.
    pub fn now() -> Self {
        let now = since_epoch().as_nanos();
        Self::of_nanoseconds(i64::try_from(now).unwrap_or(i64::MAX))
    }

    /// A moment in nanoseconds since 1970, as the engine would write it.
    pub fn of_nanoseconds(all: i64) -> Self {
        const SECOND: i64 = 1_000_000_000;
        let nanoseconds = u32::try_from(all.rem_euclid(SECOND)).unwrap_or_default();
        let whole = Self::of_seconds(all.div_euclid(SECOND));
        let text = whole.text.trim_end_matches('Z');
        Self {
            text: format!("{text}.{nanoseconds:09}Z"),
            nanoseconds,
            ..whole
        }
    }

    /// A moment in whole seconds since 1970.
    pub fn of_seconds(seconds: i64) -> Self {
        let (day, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date(day);
        let (hours, minutes) = (rest / 3600, rest / 60 % 60);
        Self {
            seconds,
            nanoseconds: 0,
            text: format!(
                "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{:02}Z",
                rest % 60
            ),
        }
    }

    /// Reads `2026-11-24T01:35:01.191005896Z`, or with an offset in place of the `Z`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('T')?;
        let (time, offset) = match time.strip_suffix('Z') {
            Some(time) => (time, 0),
            None => offset(time)?,
        };
        let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
        let [year, month, day] = numbers(date, '-')?;
        let [hours, minutes, seconds] = numbers(clock, ':')?;
        let sane = (1..=12).contains(&month) && (1..=31).contains(&day);
        if !sane || hours > 23 || minutes > 59 || seconds > 60 || fraction.len() > 9 {
            return None;
        }
        let nanoseconds = match fraction {
            "" => 0,
            digits => format!("{digits:0<9}").parse().ok()?,
        };
        let seconds = ((days(year, month, day) * 24 + hours) * 60 + minutes) * 60 + seconds;
        Some(Self {
            seconds: seconds - offset,
            nanoseconds,
            text: text.to_owned(),
        })
    }
}

/// `01:35:01.19+02:00`: the time, and the offset in seconds.
fn offset(time: &str) -> Option<(&str, i64)> {
    let at = time.rfind(['+', '-'])?;
    let (time, offset) = time.split_at(at);
    let [hours, minutes] = numbers(offset.get(1..)?, ':')?;
    let seconds = (hours * 60 + minutes) * 60;
    Some((
        time,
        if offset.starts_with('-') {
            -seconds
        } else {
            seconds
        },
    ))
}

/// Exactly N numbers of digits alone.
fn numbers<const N: usize>(text: &str, between: char) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for number in &mut numbers {
        let part = parts.next()?;
        let digits =
            !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
        *number = digits.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days since 1970 of a date in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date
/// algorithms", `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The same the other way round (`civil_from_days`).
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2000-02-29T23:59:59Z",
            "2026-11-28T21:40:04Z",
            "2100-03-01T00:00:00Z",
        ] {
            let read = Stamp::parse(text).unwrap();
            assert_eq!(Stamp::of_seconds(read.seconds), read);
        }
        let exact = "2026-11-28T21:40:04.000000042Z";
        let (seconds, nanoseconds) = Stamp::parse(exact).unwrap().since_epoch();
        let all = seconds * 1_000_000_000 + i64::from(nanoseconds);
        assert_eq!(Stamp::of_nanoseconds(all).text, exact);
    }

    #[test]
    fn moments_are_read_and_compared() {
        let seconds = |text| Stamp::parse(text).map(|stamp| stamp.seconds);
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T12:00:01.5Z"), Some(951_825_601));
        assert_eq!(
            seconds("2026-11-24T01:35:01.191005896Z"),
            Some(1_795_484_101)
        );
        assert_eq!(seconds("2026-11-24T03:35:01.19+02:00"), Some(1_795_484_101));
        assert_eq!(seconds("2026-11-23T20:05:01.19-05:30"), Some(1_795_484_101));
        let earlier = Stamp::parse("2026-11-24T01:35:01.19Z");
        assert!(earlier < Stamp::parse("2026-11-24T01:35:01.2Z"));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "T",
            "Ready",
            "2026-11-24",
            "2026-11-24T01:35Z",
            "2026-13-24T01:35:01Z",
            "2026-11-24T25:35:01Z",
            "2026-11-24T01:35:01.Z9Z",
            "2026-11-24T01:35:01",
            "2026-+1-24T01:35:01Z",
        ] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }
}
