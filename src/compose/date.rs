//! Dates among scalars: what docker compose's YAML reader (go-yaml v3, `parseTimestamp`) takes for one when it stands
//! without quotes. No attribute of Compose takes a date.

/// Whether a plain scalar is a date, with or without a time of the day.
pub(super) fn is_date(text: &str) -> bool {
    date(text).is_some()
}

/// A date as Go prints it, where it is nothing but that.
pub(super) fn printed(text: &str) -> Option<String> {
    let (year, month, day, rest) = date(text)?;
    rest.is_empty()
        .then(|| format!("{year:04}-{month:02}-{day:02}T00:00:00Z"))
}

/// Year, month and day, and what follows of a time.
fn date(text: &str) -> Option<(u32, u32, u32, &str)> {
    let (year, rest) = text.split_at_checked(4)?;
    let year = digits(year)?;
    let (month, rest) = number(rest.strip_prefix('-')?)?;
    let (day, rest) = number(rest.strip_prefix('-')?)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let fits = (1..=days).contains(&day) && is_time_or_nothing(rest);
    fits.then_some((year, month, day, rest))
}

/// Nothing, ` 15:04:05`, or `T15:04:05Z` with an offset for `Z`; the seconds may have a fraction.
fn is_time_or_nothing(text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return true;
    };
    let zoned = match first {
        'T' | 't' => true,
        ' ' => false,
        _ => return false,
    };
    let rest = || {
        let (hours, rest) = number(&text[1..])?;
        let (minutes, rest) = number(rest.strip_prefix(':')?)?;
        let (seconds, rest) = number(rest.strip_prefix(':')?)?;
        let fraction = rest.strip_prefix('.').filter(|rest| {
            let first = rest.chars().next();
            first.is_some_and(|first| first.is_ascii_digit())
        });
        let rest = fraction.map_or(rest, |digits| {
            digits.trim_start_matches(|c: char| c.is_ascii_digit())
        });
        (hours < 24 && minutes < 60 && seconds < 60).then_some(rest)
    };
    rest().is_some_and(|rest| {
        if zoned {
            is_zone(rest)
        } else {
            rest.is_empty()
        }
    })
}

fn is_zone(text: &str) -> bool {
    let offset = || {
        let (hours, minutes) = text.strip_prefix(['+', '-'])?.split_once(':')?;
        Some(
            digits(hours)? <= 24 && digits(minutes)? < 60 && hours.len() == 2 && minutes.len() == 2,
        )
    };
    text == "Z" || offset() == Some(true)
}

/// One digit, or two, and what follows.
fn number(text: &str) -> Option<(u32, &str)> {
    let length = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(length);
    Some((digits(number)?, rest))
}

fn digits(text: &str) -> Option<u32> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_what_only_looks_like_one() {
        let dates = [
            "2001-01-01",
            "2024-2-29",
            "2001-12-14t21:59:43.10-05:00",
            "2001-12-14T1:2:3Z",
            "2001-12-14 21:59:43",
        ];
        for text in dates {
            assert!(is_date(text), "{text}");
        }
        let others = [
            "2001-13-01",
            "2023-02-29",
            "20010101",
            "2001-01",
            "2001-01-01x",
            "2001-12-14 25:00:00",
            "2001-12-14T1:2:3",
            "2001-12-14 21:59:43 Z",
            "é001-01-01",
            "",
        ];
        for text in others {
            assert!(!is_date(text), "{text}");
        }
        assert_eq!(printed("2001-1-2").as_deref(), Some("2001-01-02T00:00:00Z"));
        assert_eq!(printed("2001-12-14 21:59:43"), None);
    }
}
