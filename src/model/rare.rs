//! Groups of attributes that few services have: kept apart, so that ten thousand services without them take no room for
//! them.

use serde::{Deserialize, Deserializer};

/// A group; nothing where none of its attributes is set.
pub(super) fn deserialize<'de, D, T>(deserializer: D) -> Result<Option<Box<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default + PartialEq,
{
    let group = T::deserialize(deserializer)?;
    Ok((group != T::default()).then(|| Box::new(group)))
}
