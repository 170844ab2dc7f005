//! Programs that cross crates, as users write them: what mistakes say, what steady training costs, what randomness
//! depends on, and whole journeys.

mod bad_files;
mod bad_input;
mod determinism;
mod journeys;
mod model;
mod steady;
