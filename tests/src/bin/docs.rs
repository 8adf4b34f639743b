//! `cargo xtask docs`: writes the generated pages.

fn main() -> std::io::Result<()> {
    for (path, text) in counterfoil_tests::docs::pages() {
        std::fs::write(&path, text)?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}
