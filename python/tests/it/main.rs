//! Encodings J and P, held against Python itself, `serde_json` and `serde-pickle`.

mod json_encoder;
mod json_golden;
mod json_hostile;
mod json_pickle;
mod judge;
mod once;
mod python_frames;
