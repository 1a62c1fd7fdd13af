use super::*;

/// A valid row that tests change to their needs.
pub(crate) fn row() -> ResultRow {
    ResultRow {
        run_id: "5f1c0de0".into(),
        table: "table1".into(),
        method: "gan".into(),
        conditional: false,
        architecture: "sndcgan".into(),
        width: 16,
        dataset: "shapes".into(),
        dataset_sha256: "0123456789abcdef".repeat(4),
        split: "train".into(),
        seed: 0,
        budget_unit: "real_kimg".into(),
        budget_amount: 20.0,
        batch: 64,
        g_steps: 313,
        d_steps: 313,
        real_images: 20_032,
        d_image_forwards: 40_064,
        g_image_forwards: 40_064,
        train_s: 81.25,
        peak_rss_mb: 512.5,
        checkpoint: "last".into(),
        metric: "fid@small-shapes".into(),
        value: Some(31.25),
        ci_low: None,
        ci_high: None,
        n_real: 50_000,
        n_fake: 10_000,
        extractor: "small-shapes".into(),
        extractor_sha256: "fedcba9876543210".repeat(4),
        protocol: "table1".into(),
        status: Status::Ok,
        version: "0.1.0".into(),
        commit: "abc1234".into(),
        d_image_forwards_g_step: 20_032,
        protocol_differences: String::new(),
        tflops: Some(1.5),
        cpu_s: None,
        other_cpu_s: Some(2.0),
    }
}

#[test]
fn the_fields_of_a_row_are_the_columns_in_order() {
    // The 33 columns that every reader of our files may rely on; later ones come behind.
    let promised = "run_id, table, method, conditional, architecture, width, dataset, dataset_sha256, \
         split, seed, budget_unit, budget_amount, batch, g_steps, d_steps, real_images, \
         d_image_forwards, g_image_forwards, train_s, peak_rss_mb, checkpoint, metric, value, \
         ci_low, ci_high, n_real, n_fake, extractor, extractor_sha256, protocol, status, version, commit";
    let names: Vec<&str> = COLUMNS.iter().map(|c| c.name).collect();
    assert_eq!(names[..33].join(", "), promised);
    assert!(COLUMNS[..33].iter().all(|c| c.required));

    // serde_json writes the fields of a struct in declaration order.
    let json = serde_json::to_string(&row()).unwrap();
    let mut rest = json.as_str();
    for name in names {
        let key = format!("\"{name}\":");
        let at = rest.find(&key).unwrap_or_else(|| panic!("{name} missing or out of order"));
        rest = &rest[at + key.len()..];
    }
}

#[test]
fn every_column_has_the_kind_of_its_field() {
    let json = serde_json::to_value(row()).unwrap();
    for column in COLUMNS {
        let value = &json[column.name];
        let fits = match column.kind {
            ColumnKind::Text => value.is_string(),
            ColumnKind::Flag => value.is_boolean(),
            ColumnKind::Count => value.is_u64(),
            ColumnKind::MaybeCount => value.is_u64() || value.is_null(),
            ColumnKind::Number => value.is_f64(),
            ColumnKind::MaybeNumber => value.is_f64() || value.is_null(),
        };
        assert!(fits, "{}: {value}", column.name);
    }
    assert_eq!(json.as_object().unwrap().len(), COLUMNS.len());
}

#[test]
fn floats_survive_json_to_the_bit() {
    let mut stream = ganbench_data::rng::Stream::new(0, "test/row");
    for _ in 0..20_000 {
        let bits = f64::from_bits(stream.u64());
        let value = if bits.is_finite() { bits } else { stream.uniform() };
        let mut row = row();
        (row.value, row.train_s) = (Some(value), stream.range(0.0, 1e5));
        let back: ResultRow = serde_json::from_str(&serde_json::to_string(&row).unwrap()).unwrap();
        assert_eq!(back.value.unwrap().to_bits(), value.to_bits(), "{value:e}");
        assert_eq!(back.train_s.to_bits(), row.train_s.to_bits());
    }
}

#[test]
fn a_row_without_a_later_column_is_read_with_zero() {
    let mut json = serde_json::to_value(row()).unwrap();
    json.as_object_mut().unwrap().remove("d_image_forwards_g_step");
    let back: ResultRow = serde_json::from_value(json).unwrap();
    assert_eq!(back.d_image_forwards_g_step, 0);
}

#[test]
fn checkpoints_are_last_best_or_plain_decimals() {
    let at = |text: &str| ResultRow { checkpoint: text.into(), ..row() }.checkpoint();
    assert_eq!(at("last"), Ok(Checkpoint::Last));
    assert_eq!(at("best"), Ok(Checkpoint::Best));
    assert_eq!(at("0"), Ok(Checkpoint::Kimg(0.0)));
    assert_eq!(at("12.8"), Ok(Checkpoint::Kimg(12.8)));
    for text in ["", "1e3", "-1", "+1", "inf", "NaN", ".5", "5.", "1.2.3", "Last"] {
        assert!(at(text).is_err(), "{text:?}");
    }
    assert_eq!(kimg_name(102_400.0), "102400");
    assert_eq!(kimg_name(0.064), "0.064");
    assert_eq!(at(&kimg_name(1e-9)), Ok(Checkpoint::Kimg(1e-9)));
}

#[test]
fn rows_that_would_mislead_are_refused() {
    let message = |row: ResultRow| row.validate().unwrap_err().to_string();
    assert_eq!(row().validate(), Ok(()));
    assert_eq!(
        message(ResultRow { value: Some(f64::NAN), ..row() }),
        "column value of run 5f1c0de0 is NaN, but only finite numbers are stored"
    );
    assert_eq!(
        message(ResultRow { train_s: f64::INFINITY, ..row() }),
        "column train_s of run 5f1c0de0 is inf, but only finite numbers are stored"
    );
    assert_eq!(
        message(ResultRow { status: Status::Diverged, ..row() }),
        "metric fid@small-shapes of run 5f1c0de0 at checkpoint last has status diverged but a value"
    );
    assert_eq!(
        message(ResultRow { value: None, ..row() }),
        "metric fid@small-shapes of run 5f1c0de0 at checkpoint last has status ok but no value"
    );
    assert_eq!(
        message(ResultRow { ci_low: Some(2.0), ci_high: Some(1.0), ..row() }),
        "metric fid@small-shapes of run 5f1c0de0 has the interval Some(2.0) to Some(1.0), which is none"
    );
    assert_eq!(
        message(ResultRow { metric: String::new(), ..row() }),
        "column metric of run 5f1c0de0 is empty"
    );
    assert_eq!(
        message(ResultRow { method: "a\nb".into(), ..row() }),
        "column method of run 5f1c0de0 holds a control character: \"a\\nb\""
    );
    assert_eq!(
        message(ResultRow { checkpoint: "1e3".into(), ..row() }),
        "checkpoint \"1e3\" of run 5f1c0de0 is none of last, best or a plain decimal number of kimg"
    );
}
