//! Generates JSON Schemas (2020-12) from the payload types.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::EventType;

/// Returns the schema of `T`, with the type's URN as `$id`. The members are in alphabetical order,
/// so that the text does not depend on the features of serde_json.
pub(crate) fn schema_for<T: JsonSchema>(event_type: EventType) -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), event_type.data_schema().into());
    let mut value = schema.to_value();
    value.sort_all_objects();
    value
}
