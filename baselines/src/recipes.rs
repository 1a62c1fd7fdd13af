//! The tables of the papers as TOML. A new table is one file in `recipes/` and one line here.

/// The text of each recipe, by the name of its table.
pub const RECIPES: &[(&str, &str)] = &[
    ("table1", include_str!("../recipes/table1.toml")),
    ("contrad-table1", include_str!("../recipes/contrad-table1.toml")),
    ("contrad-table3", include_str!("../recipes/contrad-table3.toml")),
    ("kdd-table1", include_str!("../recipes/kdd-table1.toml")),
    ("kdd-table2", include_str!("../recipes/kdd-table2.toml")),
    ("kdd-table3", include_str!("../recipes/kdd-table3.toml")),
    ("kdd-table4", include_str!("../recipes/kdd-table4.toml")),
    ("kdd-table5", include_str!("../recipes/kdd-table5.toml")),
    ("kdd-table6", include_str!("../recipes/kdd-table6.toml")),
    ("reacgan-cifar10", include_str!("../recipes/reacgan-cifar10.toml")),
    ("reacgan-tiny", include_str!("../recipes/reacgan-tiny.toml")),
    ("reacgan-figure-norms", include_str!("../recipes/reacgan-figure-norms.toml")),
    ("supcon-stability", include_str!("../recipes/supcon-stability.toml")),
    ("kdd-ablation", include_str!("../recipes/kdd-ablation.toml")),
    ("drift", include_str!("../recipes/drift.toml")),
];
