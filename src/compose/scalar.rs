//! Scalars across YAML versions: what docker compose's reader (go-yaml v3) makes of one, and how Go prints it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
        match (negative, i64::try_from(number)) {
            (false, _) => return Some(number.into()),
            (true, Ok(number)) => return Some((-number).into()),
            // A float, as below.
            (true, Err(_)) => {}
        }
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

/// Text, or a number as text.
pub(super) fn text_or_number(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) | Value::Number(_) => text(value).map(Value::from),
        _ => None,
    }
}

/// A truth value; as text in YAML 1.1's words, as compose-go takes them (`toBoolean`).
pub(super) fn bool(value: &Value) -> Option<Value> {
    let bool = match value {
        Value::Bool(bool) => *bool,
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "y" | "yes" | "on" => true,
            "false" | "n" | "no" | "off" => false,
            _ => return None,
        },
        _ => return None,
    };
    Some(bool.into())
}

/// A whole number, also as text or with an exponent.
pub(super) fn int(value: &Value) -> Option<Value> {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64()?;
            let whole = float.fract() == 0.0 && float.abs() < 1e15;
            #[allow(clippy::cast_possible_truncation)] // it is whole, and below 1e15
            whole.then_some(Value::from(float as i64))
        }
        Value::Number(number) => number.as_i64().map(Value::from),
        Value::String(text) => text.parse::<i64>().ok().map(Value::from),
        _ => None,
    }
}

/// A number without its fraction, as Go makes a whole number of one.
pub(super) fn cut(float: f64) -> Value {
    #[allow(clippy::cast_possible_truncation)] // that is what it is for
    Value::from(float.trunc() as i64)
}

/// A number, also as text: of single precision, as compose-go has it.
pub(super) fn number(value: &Value) -> Option<Value> {
    let float: f64 = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    #[allow(clippy::cast_possible_truncation)] // that is what it is for
    let single = float as f32;
    if single.fract() == 0.0 && single.abs() < 1e15 {
        // Written without a point.
        return Some(cut(single.into()));
    }
    Number::from_f64(single.to_string().parse().ok()?).map(Value::Number)
}

/// What `!!binary` stands for, where that is text.
pub(super) fn binary(text: &str) -> Option<String> {
    let packed: String = text.split_ascii_whitespace().collect();
    String::from_utf8(STANDARD.decode(packed).ok()?).ok()
}

/// Go's `strconv.FormatFloat(…, 'g', -1, 64)`: the shortest digits, an exponent from 1e6 on and below 1e-4.
pub(super) fn go_float(float: f64) -> String {
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if float == 0.0 || (1e-4..1e6).contains(&float.abs()) {
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
            (json!(1e6), "1e+06"),
            (json!(1_234_567.8), "1.2345678e+06"),
            (json!(999_999.5), "999999.5"),
            (json!(-1e6), "-1e+06"),
            (json!(-0.0), "-0"),
            (json!(1e-4), "0.0001"),
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
