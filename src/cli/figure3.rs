//! `ganbench reproduce kdd-figure3`: the toy of the KDD paper, which trains no network.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ganbench_baselines::figure3::{Cloud, Figure3, MODES, Moved};
use ganbench_files::write_atomic;
use ganbench_reports::plot::{self, CloudPanel, clouds};
use serde_json::json;

use super::reproduce::ReproduceArgs;
use crate::machine::UsageError;
use crate::plan::recipe::FIGURE3;

pub const SUMMARY: &str = "KDD GAN, Figure 3: in the plane, the hinge moves the fakes as a whole, KDD pulls them to the modes";

/// # Errors
/// If a flag was given that means nothing here, or a file cannot be written.
pub fn run(args: &ReproduceArgs) -> Result<()> {
    let of_networks = [
        ("--dataset", args.dataset.is_some()),
        ("--methods", args.methods.is_some()),
        ("--batch", args.batch.is_some()),
        ("--width", args.width.is_some()),
        ("--networks", args.networks.is_some()),
        ("--architecture", args.architecture.is_some()),
        ("--extractor", args.extractor.is_some()),
        ("--n-fake", args.n_fake.is_some()),
        ("--set", !args.set.is_empty()),
    ];
    if let Some((flag, _)) = of_networks.into_iter().find(|(_, given)| *given) {
        let text =
            format!("{flag} means nothing to {FIGURE3}, which trains no network; leave it out");
        return Err(UsageError::new(text).into());
    }
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(FIGURE3));
    let seeds = args.seeds.as_ref().map_or_else(|| vec![0], |seeds| seeds.0.clone());
    if args.dry_run {
        say!("{FIGURE3}: seeds {seeds:?}, seconds each, into {}", out.display());
        return Ok(());
    }
    std::fs::create_dir_all(out.join("plots"))
        .with_context(|| format!("cannot make the folder {}", out.display()))?;
    let mut points = String::from("seed,cloud,x,y\n");
    let mut distances = String::from(
        "seed,loss,mean_distance_to_mode,share_within_3_std,mean_move,largest_deviation_from_mean_move\n",
    );
    let mut rows = Vec::new();
    for &seed in &seeds {
        let figure = Figure3::of(seed)?;
        for (name, cloud) in named(&figure) {
            for [x, y] in cloud {
                points.push_str(&format!("{seed},{name},{x},{y}\n"));
            }
        }
        for (loss, end) in
            [("start", &figure.start), ("hinge", &figure.hinge), ("kdd", &figure.kdd)]
        {
            let m = figure.moved(end);
            distances.push_str(&format!(
                "{seed},{loss},{},{},{},{}\n",
                m.to_mode, m.within_3_std, m.moved, m.deformed
            ));
            rows.push((seed, loss, m));
        }
        if Some(&seed) == seeds.first() {
            picture(&figure, &out)?;
        }
    }
    write_atomic(&out.join("points.csv"), points.as_bytes())?;
    write_atomic(&out.join("distances.csv"), distances.as_bytes())?;
    let table = table(&rows);
    let page = format!(
        "# {FIGURE3}\n\n{SUMMARY}.\n\n{table}\n![Clouds before and after](plots/clouds.png)\n\n\
         [SVG](plots/clouds.svg), [points.csv](points.csv), [distances.csv](distances.csv)\n"
    );
    write_atomic(&out.join("report.md"), page.as_bytes())?;
    if args.json {
        for (seed, loss, m) in rows {
            crate::cli::tell::json(
                &json!({"seed": seed, "loss": loss, "mean_distance_to_mode": m.to_mode,
                       "share_within_3_std": m.within_3_std, "mean_move": m.moved,
                       "largest_deviation_from_mean_move": m.deformed}),
            )?;
        }
    } else {
        say!("{table}\npage     {}", out.join("report.md").display());
    }
    Ok(())
}

fn named(figure: &Figure3) -> [(&'static str, &Cloud); 4] {
    [
        ("real", &figure.real),
        ("fake_start", &figure.start),
        ("fake_hinge", &figure.hinge),
        ("fake_kdd", &figure.kdd),
    ]
}

fn table(rows: &[(u64, &str, Moved)]) -> String {
    let mut text = String::from(
        "| seed | fakes | mean distance to a mode | within 3 deviations of one | mean move | largest deviation from the mean move |\n\
         |--:|:--|--:|--:|--:|--:|\n",
    );
    for (seed, loss, m) in rows {
        text.push_str(&format!(
            "| {seed} | {loss} | {:.3} | {:.1} % | {:.3} | {:.3} |\n",
            m.to_mode,
            100.0 * m.within_3_std,
            m.moved,
            m.deformed
        ));
    }
    text
}

fn picture(figure: &Figure3, out: &Path) -> Result<()> {
    let boundary = Some((figure.boundary.w, figure.boundary.b));
    let panel = |title: &str, fake: &Cloud| CloudPanel {
        title: title.into(),
        clouds: [("real", &figure.real), ("fake", fake)]
            .map(|(name, points)| plot::Cloud { name: name.into(), points: points.clone() })
            .into(),
        boundary,
    };
    let panels = [
        panel("At the start", &figure.start),
        panel("Hinge, 200 iterations", &figure.hinge),
        panel("KDD, 200 iterations", &figure.kdd),
    ];
    let centre = [MODES[0][0] / 2.0 + 0.5, 0.0];
    let drawing = clouds(&panels, centre, 4.0);
    write_atomic(&out.join("plots/clouds.png"), &drawing.png()?)?;
    write_atomic(&out.join("plots/clouds.svg"), drawing.svg()?.as_bytes())?;
    Ok(())
}
