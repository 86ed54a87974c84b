//! (placeholder)
/// (placeholder)
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct DeviceNames {}
