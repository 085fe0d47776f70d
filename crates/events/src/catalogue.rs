//! Expands the list of all events in `payloads.rs`.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::{EventType, Payload, StateRecord, UserState, envelope::data_schema};

/// Expands the table into [`EventType`], [`Payload`] and all functions with one arm per type, so
/// that all lists stay consistent.
macro_rules! catalogue {
    ($( $variant:ident = $name:literal, $recipient:ident; )+) => {
        /// The type of an event: its name and the version of its data.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType {
            $( #[doc = concat!("`", $name, "`")] $variant, )+
        }

        impl EventType {
            /// All types of this version of the contract.
            pub const ALL: &'static [EventType] = &[ $( EventType::$variant, )+ ];

            /// Returns the CloudEvents `type`, such as `user.registered.v1`.
            pub fn as_str(self) -> &'static str {
                match self { $( EventType::$variant => $name, )+ }
            }

            /// Returns whether an event of this type can cause a mail: its data has a recipient.
            pub fn can_cause_mail(self) -> bool {
                match self { $( EventType::$variant => $crate::catalogue::can_cause_mail!($recipient), )+ }
            }

            /// Returns the JSON Schema (2020-12) of this type's data.
            pub fn schema(self) -> serde_json::Value {
                match self { $( EventType::$variant => $crate::catalogue::schema_for::<$variant>(self.as_str()), )+ }
            }
        }

        /// The data of an event: one variant per [`EventType`].
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Payload {
            $( #[doc = concat!("`", $name, "`")] $variant($variant), )+
        }

        impl Payload {
            /// Returns the type of the event.
            pub fn event_type(&self) -> EventType {
                match self { $( Payload::$variant(_) => EventType::$variant, )+ }
            }

            /// Returns the user that the event is about.
            pub fn user_id(&self) -> Uuid {
                match self { $( Payload::$variant(data) => data.user_id, )+ }
            }

            /// Returns the recipient, for types that can cause a mail.
            pub fn recipient(&self) -> Option<&Recipient> {
                match self { $( Payload::$variant(data) => $crate::catalogue::recipient_of!($recipient, data), )+ }
            }

            /// Parses the data of a record of this type. Unknown fields are ignored.
            ///
            /// # Errors
            /// Returns [`DecodeError::TooLarge`](crate::DecodeError), `NotJson` or `InvalidData`.
            pub fn from_json(event_type: EventType, json: &[u8]) -> Result<Payload, $crate::DecodeError> {
                match event_type {
                    $( EventType::$variant => $crate::decode::parse_data(event_type.as_str(), json).map(Payload::$variant), )+
                }
            }
        }

        impl Serialize for Payload {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $( Payload::$variant(data) => data.serialize(serializer), )+ }
            }
        }

        $(
            impl From<$variant> for Payload {
                fn from(data: $variant) -> Payload {
                    Payload::$variant(data)
                }
            }
        )+
    };
}

macro_rules! recipient_of {
    (mailed, $data:ident) => {
        Some(&$data.recipient)
    };
    (silent, $data:ident) => {{
        let _ = $data;
        None
    }};
}

macro_rules! can_cause_mail {
    (mailed) => {
        true
    };
    (silent) => {
        false
    };
}

pub(crate) use {can_cause_mail, catalogue, recipient_of};

impl Payload {
    /// Returns the value of the record: compact JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("payloads have string keys and no fallible parts")
    }
}

/// Returns the name and the JSON Schema of each type of both topics: the events, then the state.
pub fn schemas() -> Vec<(&'static str, Value)> {
    let events = EventType::ALL.iter().map(|event_type| (event_type.as_str(), event_type.schema()));
    events.chain([(StateRecord::TYPE, UserState::schema())]).collect()
}

/// Returns the JSON Schema (2020-12) of `T`, with the type's URN as `$id`. The members are in
/// alphabetical order, so that the text does not depend on the features of serde_json.
pub(crate) fn schema_for<T: JsonSchema>(event_type: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), data_schema(event_type).into());
    let mut value = schema.to_value();
    value.sort_all_objects();
    value
}
