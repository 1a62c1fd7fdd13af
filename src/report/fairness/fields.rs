//! The fields of plans by name, and a sentence on those that differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// The fields of a plan or of parts, by their dotted names, as text.
pub type Fields = BTreeMap<String, String>;

/// Every field of something that can be serialised; places in a list count from 0.
pub fn fields(of: &impl Serialize) -> Fields {
    fn add(name: &str, value: &serde_json::Value, to: &mut Fields) {
        let child = |key: &str| if name.is_empty() { key.into() } else { format!("{name}.{key}") };
        match value {
            serde_json::Value::Object(map) => {
                map.iter().for_each(|(key, value)| add(&child(key), value, to));
            }
            serde_json::Value::Array(list) => {
                list.iter().enumerate().for_each(|(i, v)| add(&child(&i.to_string()), v, to));
            }
            serde_json::Value::String(text) => drop(to.insert(name.into(), text.clone())),
            other => drop(to.insert(name.into(), other.to_string())),
        }
    }
    let mut found = Fields::new();
    // A plan that was read can be written.
    add("", &serde_json::to_value(of).unwrap_or_default(), &mut found);
    found
}

/// Names of the fields in which any two differ.
pub fn differing<'a>(all: impl Iterator<Item = &'a Fields> + Clone) -> BTreeSet<&'a str> {
    let names: BTreeSet<&str> = all.clone().flat_map(|f| f.keys().map(String::as_str)).collect();
    let values = |name: &str| all.clone().map(|f| f.get(name)).collect::<BTreeSet<_>>().len();
    names.into_iter().filter(|name| values(name) > 1).collect()
}

/// The text of a field; `none` where there is no such field.
pub fn value<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("none", String::as_str)
}

/// Fields that part the labelled ones in one way.
struct Parting<'a> {
    /// Those of one value, by their places.
    groups: Vec<Vec<usize>>,
    /// In order of their names.
    names: Vec<&'a str>,
}

fn partings<'a>(all: &[(String, &'a Fields)], is_named: impl Fn(&str) -> bool) -> Vec<Parting<'a>> {
    let mut partings: Vec<Parting<'a>> = Vec::new();
    for name in differing(all.iter().map(|(_, fields)| *fields)).into_iter().filter(|n| is_named(n))
    {
        let mut by_value: Vec<(&str, Vec<usize>)> = Vec::new();
        for (i, (_, fields)) in all.iter().enumerate() {
            let value = value(fields, name);
            match by_value.iter_mut().find(|(other, _)| *other == value) {
                Some((_, group)) => group.push(i),
                None => by_value.push((value, vec![i])),
            }
        }
        let groups: Vec<Vec<usize>> = by_value.into_iter().map(|(_, group)| group).collect();
        match partings.iter_mut().find(|p| p.groups == groups) {
            Some(parting) => parting.names.push(name),
            None => partings.push(Parting { groups, names: vec![name] }),
        }
    }
    partings
}

/// Fields with all but the last part of their names in common, such as an optimiser's.
struct Part<'a> {
    parent: &'a str,
    names: Vec<&'a str>,
}

impl<'a> Part<'a> {
    fn all(names: &[&'a str]) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for &name in names {
            let parent = name.rsplit_once('.').map_or("", |(parent, _)| parent);
            match parts.last_mut().filter(|part| part.parent == parent) {
                Some(part) => part.names.push(name),
                None => parts.push(Part { parent, names: vec![name] }),
            }
        }
        parts
    }

    fn name(&self) -> &'a str {
        if let [name] = self.names[..] { name } else { self.parent }
    }

    /// The one field's value, or each field that is there by the last part of its name.
    fn text(&self, fields: &Fields) -> String {
        if let [name] = self.names[..] {
            return value(fields, name).to_string();
        }
        let leaf = |name: &'a str| name.rsplit_once('.').map_or(name, |(_, leaf)| leaf);
        let each = self
            .names
            .iter()
            .filter_map(|&name| Some(format!("{} {}", leaf(name), fields.get(name)?)));
        let text = each.collect::<Vec<_>>().join(", ");
        if text.is_empty() { "none".to_string() } else { text }
    }
}

/// A sentence for all fields that part the labelled ones in one way: `A is not the same for all: 1
/// in X; 2 in Y, Z`. Of several fields of one part of the plan, that part is named and each value
/// has its field's name; parts that agree throughout, such as two optimisers, share them.
pub fn unlike(all: &[(String, &Fields)], is_named: impl Fn(&str) -> bool) -> Vec<String> {
    let sentence = |parting: Parting<'_>| {
        let parts = Part::all(&parting.names);
        let each = parting.groups.iter().map(|group| {
            let mut texts: Vec<String> = Vec::new();
            for part in &parts {
                let text = part.text(all[group[0]].1);
                if part.names.len() == 1 || texts.last() != Some(&text) {
                    texts.push(text);
                }
            }
            let labels: Vec<&str> = group.iter().map(|&i| all[i].0.as_str()).collect();
            format!("{} in {}", texts.join(", "), labels.join(", "))
        });
        let each = each.collect::<Vec<_>>().join("; ");
        let names: Vec<&str> = parts.iter().map(Part::name).collect();
        let are = if names.len() == 1 { "is" } else { "are" };
        format!("{} {are} not the same for all: {each}", names.join(", "))
    };
    partings(all, is_named).into_iter().map(sentence).collect()
}
