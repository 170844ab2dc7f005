//! The proof of every gradient: walks the registry, and shows that the proof catches wrong rules.

mod broken;
mod functions;
mod proof;
mod registry;
mod table;
#[path = "../written/mod.rs"]
mod written;
