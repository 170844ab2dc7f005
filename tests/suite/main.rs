//! Programs that cross crates, as users write them: what mistakes say, what steady training costs, what randomness
//! depends on, threads beside threads, and whole journeys.

mod bad_files;
mod bad_input;
mod determinism;
mod journeys;
mod model;
mod programs;
mod steady;
mod together;
