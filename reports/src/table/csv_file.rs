//! `table.csv`: the table for programs, one line per table, checkpoint and method, values
//! unrounded.

use super::{PublishedColumn, Table, row_of};
use crate::error::ReportError;
use crate::escape::csv_name;
use crate::metric::MetricName;

const FIRST: [&str; 21] = [
    "table",
    "dataset",
    "dataset_sha256",
    "split",
    "architecture",
    "width",
    "batch",
    "budget_unit",
    "budget_amount",
    "protocol",
    "extractor",
    "extractor_sha256",
    "checkpoint",
    "method",
    "label",
    "conditional",
    "seeds",
    "n_seeds",
    "n_diverged",
    "n_collapsed",
    "status",
];

const SPENT: [&str; 10] = [
    "g_steps",
    "d_steps",
    "real_kimg",
    "d_kforwards",
    "d_kforwards_g_step",
    "g_kforwards",
    "tflops",
    "cpu_s",
    "train_s",
    "peak_rss_mb",
];

/// All tables in one file. Each metric has four columns: its own name (the mean over seeds of the
/// typical run, geometric for distances), and behind that name `_ci_low` and `_ci_high` (the 95 %
/// interval over seeds, empty for one seed) and `_n` (seeds with a value). Spending is the mean
/// over seeds up to the last checkpoint. Then come published numbers as they are printed, a column
/// a metric and protocol (`published_fid_contrad`), where a table has them. The last column holds
/// the table's notes.
pub fn csv(tables: &[Table]) -> Result<Vec<u8>, ReportError> {
    let mut metrics: Vec<MetricName> = Vec::new();
    for column in tables.iter().flat_map(|table| &table.columns) {
        if !metrics.contains(&column.metric) {
            metrics.push(column.metric.clone());
        }
    }
    metrics.sort_by(MetricName::by_column);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let cell = |text: &str| csv_name(text).into_owned();
    let failed = |error: String| ReportError::Draw { figure: "table.csv".into(), reason: error };
    let mut header: Vec<String> = FIRST.map(str::to_string).to_vec();
    for metric in &metrics {
        header
            .extend(["", "_ci_low", "_ci_high", "_n"].map(|end| format!("{}{end}", metric.full())));
    }
    header.extend(SPENT.map(str::to_string));
    let mut published: Vec<String> = Vec::new();
    for name in tables.iter().flat_map(|table| &table.published.columns).map(published_name) {
        if !published.contains(&name) {
            published.push(name);
        }
    }
    header.extend(published.iter().cloned());
    header.push("notes".to_string());
    writer.write_record(header.iter().map(|text| cell(text))).map_err(|e| failed(e.to_string()))?;
    for table in tables {
        let key = &table.key;
        for (block, row) in
            table.blocks.iter().flat_map(|block| block.rows.iter().map(move |row| (block, row)))
        {
            let seeds: Vec<String> = row.seeds.iter().map(u64::to_string).collect();
            let mut record = vec![
                cell(&key.table),
                cell(&key.dataset),
                cell(&key.dataset_sha256),
                cell(&key.split),
                cell(&key.architecture),
                key.width.to_string(),
                key.batch.to_string(),
                cell(&key.budget_unit),
                key.budget_amount.to_string(),
                cell(&key.protocol),
                cell(&key.extractor),
                cell(&key.extractor_sha256),
                block.checkpoint.name().to_string(),
                cell(&row.method),
                cell(&row.label),
                row.conditional.to_string(),
                seeds.join(" "),
                row.seeds.len().to_string(),
                row.diverged.len().to_string(),
                row.collapsed.len().to_string(),
                if row.diverged.is_empty() { "ok" } else { "diverged" }.to_string(),
            ];
            for metric in &metrics {
                let column = table.columns.iter().position(|c| c.metric == *metric);
                match column.and_then(|i| row.cells[i].interval) {
                    None => {
                        record.extend([String::new(), String::new(), String::new(), "0".into()])
                    }
                    Some(interval) => {
                        let [low, high] = match interval.ends {
                            Some(ends) => ends.map(|end| end.to_string()),
                            None => [String::new(), String::new()],
                        };
                        let (mean, n) = (interval.mean.to_string(), interval.n.to_string());
                        record.extend([mean, low, high, n]);
                    }
                }
            }
            match table.spent.iter().find(|s| s.method == row.method) {
                None => record.extend(SPENT.map(|_| String::new())),
                Some(s) => record.extend(
                    [
                        Some(s.g_steps),
                        Some(s.d_steps),
                        Some(s.real_kimg),
                        Some(s.d_kforwards),
                        Some(s.d_kforwards_g_step),
                        Some(s.g_kforwards),
                        s.tflops,
                        s.cpu_s,
                        Some(s.train_s),
                        Some(s.peak_rss_mb),
                    ]
                    .map(|v| v.map_or_else(String::new, |v| v.to_string())),
                ),
            }
            let name = row_of(&row.method);
            record.extend(published.iter().map(|wanted| {
                let column = table.published.columns.iter().find(|c| published_name(c) == *wanted);
                column.and_then(|c| c.values.get(name)).cloned().unwrap_or_default()
            }));
            record.push(cell(&table.notes.join("; ")));
            writer.write_record(&record).map_err(|e| failed(e.to_string()))?;
        }
    }
    writer.into_inner().map_err(|e| failed(e.to_string()))
}

fn published_name(column: &PublishedColumn) -> String {
    format!("published_{}_{}", column.metric.full(), column.protocol)
}
