//! One run: its folder, what it is trained on, training with measurements on the way, and what is
//! done to finished ones.

pub mod begun;
pub mod estimate;
pub mod extend;
pub mod folder;
pub mod generators;
pub mod integrity;
pub mod measurer;
pub mod pipeline;
pub mod reals;
pub mod samples;
pub mod selection;
pub mod session;
pub mod stop;
pub mod sweep;
