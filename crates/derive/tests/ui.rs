//! The errors of `#[derive(Module)]`, to the letter. `TRYBUILD=overwrite` writes down those of another compiler.

#[test]
fn errors() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
