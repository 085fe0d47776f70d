//! The integers of JSON that BSON does not have.

use serde_json::{Map, Value};

/// Replaces integers of 2^63 and more by floating-point numbers, at any depth. BSON has none, so a document with one of
/// them cannot be written.
pub fn round_large_integers(object: &mut Map<String, Value>) {
    object.values_mut().for_each(round);
}

fn round(value: &mut Value) {
    match value {
        Value::Object(members) => round_large_integers(members),
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Number(number) if number.as_i64().is_none() => *value = number.as_f64().into(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_integers_that_bson_does_not_have_are_rounded() {
        let kept = json!({ "n": [i64::MAX, i64::MIN, 0.5, 1e300, "18446744073709551615", null, true] });
        let mut object = kept.as_object().unwrap().clone();
        round_large_integers(&mut object);
        assert_eq!(Value::from(object), kept);
        let mut object = json!({ "n": u64::MAX, "in": [{ "n": [1_u64 << 63] }] }).as_object().unwrap().clone();
        round_large_integers(&mut object);
        let rounded = json!({ "n": 18_446_744_073_709_551_615.0, "in": [{ "n": [9_223_372_036_854_775_808.0] }] });
        assert_eq!(Value::from(object), rounded);
    }
}
