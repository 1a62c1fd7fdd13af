//! How much is done in one run. Three crates' fuzz tests take this file.

/// How many times as many inputs as in every test run: `make fuzz FACTOR=10`.
pub fn factor() -> usize {
    std::env::var("GANBENCH_FUZZ_FACTOR").map_or(1, |text| text.parse().expect("a whole number"))
}
