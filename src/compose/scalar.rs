//! Scalars across YAML versions: what docker compose's reader (go-yaml v3) makes of one, and how Go prints it.

use serde_json::{Number, Value};

/// The number that go-yaml sees in a plain scalar and YAML 1.2 does not: octal with a leading zero, and
/// digits with underscores (`resolve.go`).
pub(super) fn old_number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let first = digits.bytes().next()?;
    let leading_zero = first == b'0' && digits.len() > 1;
    if !(first.is_ascii_digit() || first == b'.') || !(leading_zero || digits.contains('_')) {
        return None;
    }
    let negative = text.starts_with('-');
    let plain = digits.replace('_', "");
    let radixes = [
        ("0x", 16),
        ("0X", 16),
        ("0o", 8),
        ("0O", 8),
        ("0b", 2),
        ("0B", 2),
    ];
    let (body, radix) = radixes
        .iter()
        .find_map(|(prefix, radix)| plain.strip_prefix(prefix).map(|body| (body, *radix)))
        .unwrap_or(match plain.strip_prefix('0') {
            Some(rest) if !rest.is_empty() => (rest, 8),
            _ => (plain.as_str(), 10),
        });
    if let Ok(number) = u64::from_str_radix(body, radix)
        && !body.starts_with('+')
    {
        return match (negative, i64::try_from(number)) {
            (false, _) => Some(number.into()),
            (true, Ok(number)) => Some((-number).into()),
            (true, Err(_)) => None,
        };
    }
    let float_shaped = plain
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    let float: f64 = plain
        .parse()
        .ok()
        .filter(|float: &f64| float_shaped && float.is_finite())?;
    Number::from_f64(if negative { -float } else { float }).map(Value::Number)
}

/// A scalar as text, as Go's `fmt.Sprint` prints it; `None` for lists and maps.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() => go_float(float),
            _ => number.to_string(),
        }),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Go's `%v` of a float64: `%g` with the shortest digits, an exponent from 1e21 on and below 1e-4.
fn go_float(float: f64) -> String {
    let size = float.abs();
    if float == 0.0 || (1e-4..1e21).contains(&size) {
        return float.to_string();
    }
    let text = format!("{float:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent
                .strip_prefix('-')
                .map_or(('+', exponent), |rest| ('-', rest));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_of_yaml_1_1() {
        let cases = [
            ("010", json!(8)),
            ("-010", json!(-8)),
            ("0644", json!(420)),
            ("1_000", json!(1000)),
            ("089", json!(89.0)),
            ("1_0.5", json!(10.5)),
            ("0x1_0", json!(16)),
        ];
        for (text, number) in cases {
            assert_eq!(old_number(text), Some(number), "{text}");
        }
        for text in [
            "", "0", "10", "a_1", "1_a", "0:1", "_1", "01.2.3", "00x1", "1.5",
        ] {
            assert_eq!(old_number(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_print_as_in_go() {
        let cases = [
            (json!(1e3), "1000"),
            (json!(1e21), "1e+21"),
            (json!(1.1), "1.1"),
            (json!(1e-5), "1e-05"),
        ];
        for (number, printed) in cases {
            assert_eq!(text(&number).unwrap(), printed);
        }
        assert_eq!(
            text(&json!(12_345_678_901_234_567_890_u64)).unwrap(),
            "12345678901234567890"
        );
        assert_eq!(text(&json!([])), None);
    }
}
