//! What several rounds of the same say together.

/// The middle one; of an even number, the larger of both. 0 if there is none.
pub(crate) fn median(rounds: impl IntoIterator<Item = f64>) -> f64 {
    share(&sorted(rounds), 0.5)
}

/// The figures, the smallest first.
pub(crate) fn sorted(figures: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<_> = figures.into_iter().collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures
}

/// The smallest of the sorted figures that more than a `share` of all do not exceed. 0 if there is none.
#[expect(clippy::cast_possible_truncation, reason = "a share of a length in memory is one too")]
#[expect(clippy::cast_sign_loss, reason = "neither a share nor a length is negative")]
pub(crate) fn share(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at).or(sorted.last()).copied().unwrap_or_default()
}
