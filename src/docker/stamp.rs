//! When a container printed a line, in the engine's words: RFC 3339 with nanoseconds.

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

#[cfg(test)]
mod tests {
    use super::*;

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
