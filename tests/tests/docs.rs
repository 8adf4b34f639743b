//! The pages that are generated say what the code says.

#[test]
fn the_generated_pages_are_up_to_date() {
    for (path, expected) in counterfoil_tests::docs::pages() {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == expected, "{} is stale; run `cargo xtask docs`", path.display());
    }
}
