//! A package on its way to a release and back: assets that hold a `dist/`, and a `dist/` laid
//! out again from them.

pub mod pack;
pub mod unpack;
