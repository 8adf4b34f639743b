//! Whether the comparator compares values in the forms that they are digested in here. Where it does not, every value of the
//! map looks foreign to it.

use crate::config;
use counterfoil_proto::wire::IntakeWelcome;
use std::collections::HashMap;
use std::sync::Arc;

/// The forms of the sidecar's maps, beside the comparator's.
pub(super) struct Forms {
    own: HashMap<Arc<str>, config::Map>,
    /// The comparator's form of each map of which the log has said that it differs.
    told: HashMap<Arc<str>, String>,
}

/// A map with two forms.
#[derive(Debug)]
pub(super) struct Differing<'a> {
    /// The map, and the form that it has here.
    pub(super) map: &'a config::Map,
    /// The versioned name of the comparator's form.
    pub(super) theirs: &'a str,
    /// Whether it is new: each is told once.
    pub(super) is_news: bool,
}

impl Forms {
    pub(super) fn new(maps: &[config::Map]) -> Self {
        let own = maps.iter().map(|map| (Arc::clone(&map.name), map.clone())).collect();
        Self { own, told: HashMap::new() }
    }

    /// The maps whose form differs from the comparator's. One that does not say its forms may have the same.
    pub(super) fn differing<'a>(&'a mut self, welcome: &'a IntakeWelcome) -> Vec<Differing<'a>> {
        let mut differing = Vec::new();
        for (name, theirs) in welcome.maps.iter().zip(&welcome.forms) {
            let Some(map) = self.own.get(name.as_str()) else { continue };
            if map.form.versioned_name() != theirs {
                let told = self.told.insert(Arc::clone(&map.name), theirs.clone());
                differing.push(Differing { map, theirs, is_news: told.as_ref() != Some(theirs) });
            }
        }
        differing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_digest::Codec;

    #[test]
    fn a_map_whose_form_differs_is_told_once_for_each_form() {
        let told = config::Told { fields: true, samples: true };
        let map = |name: &str, codec: Codec| config::Map { name: name.into(), form: codec.into(), told };
        let mut forms = Forms::new(&[map("cart", Codec::Json), map("notes", Codec::Text)]);
        let mut told = |maps: &[(&str, &str)]| {
            let (maps, names) = maps.iter().map(|(map, form)| (map.to_string(), form.to_string())).unzip();
            let welcome = IntakeWelcome { maps, forms: names, ..Default::default() };
            let tell = |it: &Differing<'_>| format!("{} {} {}", it.map.name, it.theirs, it.is_news);
            forms.differing(&welcome).iter().map(tell).collect::<Vec<_>>()
        };
        assert!(told(&[("cart", "json/1"), ("notes", "text/1"), ("other", "json/1")]).is_empty());
        let one = [("notes", "text/1"), ("cart", "json/1+0123abcd")];
        assert_eq!(told(&one), ["cart json/1+0123abcd true"]);
        assert_eq!(told(&one), ["cart json/1+0123abcd false"]);
        assert_eq!(
            told(&[("cart", "bytes/1"), ("notes", "bytes/1")]),
            ["cart bytes/1 true", "notes bytes/1 true"]
        );
        let silent = IntakeWelcome { maps: vec!["cart".to_owned()], ..Default::default() };
        assert!(forms.differing(&silent).is_empty(), "a comparator that does not say its forms");
    }
}
