//! The JSON form of a snapshot: the same data, as `json.dump` writes it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::document::{Builder, Document, Value};

/// Why text is not the JSON it looks like.
#[derive(Debug, thiserror::Error)]
#[error("its JSON breaks off at line {line}, column {column}")]
pub struct JsonError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong there.
    #[source]
    source: serde_json::Error,
}

/// Reads JSON. Nesting is bounded by `serde_json`, at 128.
pub(crate) fn read(bytes: &[u8]) -> Result<Document, JsonError> {
    let mut builder = Builder::new();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let root = Item(&mut builder).deserialize(&mut json);
    let root = root.and_then(|root| json.end().map(|()| root));
    match root {
        Ok(root) => Ok(builder.finish(root)),
        Err(source) => Err(JsonError { line: source.line(), column: source.column(), source }),
    }
}

/// One value of the text. Nothing in JSON is shared, but the builder makes equal texts one.
struct Item<'b>(&'b mut Builder);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::NONE)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::bool(flag))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Value, E> {
        self.0.int(i128::from(number)).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        self.0.int(i128::from(number)).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        self.0.float(number).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.0.text(text.as_bytes()).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Item(&mut *self.0))? {
            items.push(item);
        }
        self.0.list(&items).map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key_seed(Item(&mut *self.0))? {
            pairs.push(key);
            pairs.push(map.next_value_seed(Item(&mut *self.0))?);
        }
        self.0.dict(&pairs).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::View;

    #[test]
    fn json_becomes_the_same_document_as_a_pickle() {
        let document =
            read(br#"{"a": [1, -2, 18446744073709551615, null, true, 0.5, "x"]}"#).unwrap();
        let list = document.get(document.root(), "a").unwrap();
        let views: Vec<_> = document.items(list).map(|item| document.view(item)).collect();
        let expected = [
            View::Int(1),
            View::Int(-2),
            View::Int(i128::from(u64::MAX)),
            View::None,
            View::Bool(true),
            View::Float(0.5),
            View::Text("x"),
        ];
        assert_eq!(views, expected);
    }

    #[test]
    fn broken_json_names_line_and_column() {
        let error = read(b"{\"a\":\n  oops}").unwrap_err();
        assert_eq!(error.to_string(), "its JSON breaks off at line 2, column 3");
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(read(&vec![b'['; 100_000]).is_err());
    }
}
