//! The order in which a schema lists its members. `serde_json` sorts the members of an object, and a form keeps the order
//! that its author chose.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::escape_segment;

/// The names of the members of each object in a JSON text, in the order of the text, by the JSON Pointer of the object.
#[derive(Debug, Default)]
pub(super) struct MemberOrder(BTreeMap<String, Vec<String>>);

impl MemberOrder {
    /// Reads the names of a JSON text.
    ///
    /// # Errors
    /// Returns an error if the text is not JSON.
    pub(super) fn parse(text: &str) -> serde_json::Result<Self> {
        let mut order = Self::default();
        let members = Members { pointer: String::new(), order: &mut order };
        members.deserialize(&mut serde_json::Deserializer::from_str(text))?;
        Ok(order)
    }

    /// Returns the names of the members of the object at this JSON Pointer.
    pub(super) fn names(&self, pointer: &str) -> &[String] {
        self.0.get(pointer).map_or(&[], Vec::as_slice)
    }
}

/// Reads the names of the value at a JSON Pointer, and of everything below it.
struct Members<'a> {
    pointer: String,
    order: &'a mut MemberOrder,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let pointer = format!("{}/{}", self.pointer, escape_segment(&name));
            map.next_value_seed(Members { pointer, order: &mut *self.order })?;
            names.push(name);
        }
        self.order.0.insert(self.pointer, names);
        Ok(())
    }

    /// Skips the items: no member of an item is a field of a form.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_each_object_keep_the_order_of_the_text() {
        let text =
            r#"{"z": 1, "a": {"c/d": {"y": null, "b": true}, "0": [{"k": 1}, "x"]}, "m": 1.5, "n": -1, "s": "t"}"#;
        let order = MemberOrder::parse(text).unwrap();
        assert_eq!(order.names(""), ["z", "a", "m", "n", "s"]);
        assert_eq!(order.names("/a"), ["c/d", "0"]);
        assert_eq!(order.names("/a/c~1d"), ["y", "b"]);
        for without in ["/z", "/a/0", "/nothing"] {
            assert_eq!(order.names(without), [""; 0], "{without}");
        }
        assert!(MemberOrder::parse("{").is_err());
    }
}
