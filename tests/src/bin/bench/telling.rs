//! Telling people: how fast the ledger is written, and how soon pages of a large one are there; what a bundle of evidence takes;
//! what it costs to show figures to many as they change.

mod crowd;
pub(crate) mod evidence;
pub(crate) mod ledger;
pub(crate) mod live;
pub(crate) mod pages;
mod timing;
