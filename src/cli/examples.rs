//! Examples that stand at the end of each command's help. A test parses each of them.

pub const REPRODUCE: &str = "\
Examples:
  ganbench reproduce table1
  ganbench reproduce table1 --methods gan,kdd --seeds 0-2 --budget real_kimg=100
  ganbench reproduce kdd-table2 --budget smoke --dry-run";

pub const TRAIN: &str = "\
Examples:
  ganbench train my-recipe.toml --out runs/mine
  ganbench train --from runs/mine --budget real_kimg=200 --out runs/mine-longer";

pub const SAMPLE: &str = "\
Examples:
  ganbench sample --run runs/mine --n 10000 --out samples.npz
  ganbench sample --run runs/mine --class 3 --truncation 0.7 --out samples";

pub const EVAL: &str = "\
Examples:
  ganbench eval real/ fake/
  ganbench eval dataset:cifar10:train samples.npz --protocol torch-fidelity --bootstrap 1000
  ganbench eval real/ fake/ --extractor pixels --metrics fid,prdc --json";

pub const FEATURES: &str = "\
Examples:
  ganbench features --images real/ --out real.npz
  ganbench features --images dataset:cifar10:train --stats --out cifar10-statistics.npz";

pub const COMPARE: &str = "\
Examples:
  ganbench compare a.json b.json
  ganbench compare runs/table1-shapes/results.parquet --reference gan";

pub const REPORT: &str = "\
Examples:
  ganbench report --runs runs/table1-shapes --out report
  ganbench report --runs results.csv --out report --reference hinge";

pub const EXPERIMENT: &str = "\
Examples:
  ganbench experiment reports/experiments/table1.toml
  ganbench experiment reports/experiments/kdd.toml --pages-only --json";

pub const DRIFT_PROBE: &str = "\
Examples:
  ganbench drift probe --out probe.parquet";

pub const DRIFT_CHECK: &str = "\
Examples:
  ganbench drift check --baseline baseline.parquet --candidate runs/drift
  ganbench drift check --baseline before.csv --candidate after.csv --min-power 0.5";

pub const DRIFT_ACCEPT: &str = "\
Examples:
  ganbench drift accept --baseline baseline.parquet --candidate runs/drift --reason fixed-resize";

pub const EXTRACTOR_LIST: &str = "\
Examples:
  ganbench extractor list --json";

pub const EXTRACTOR_TRAIN: &str = "\
Examples:
  ganbench extractor train --dataset cifar10 --out small-cifar10.safetensors";

pub const EXTRACTOR_VERIFY: &str = "\
Examples:
  ganbench extractor verify inception --quick";

pub const EXTRACTOR_FETCH: &str = "\
Examples:
  ganbench extractor fetch inception";

pub const RUN_VERIFY: &str = "\
Examples:
  ganbench run verify runs/mine --steps 50";

pub const RUN_REMEASURE: &str = "\
Examples:
  ganbench run remeasure --runs runs/table1-cifar10 --extractor inception";

pub const LIST: &str = "\
Examples:
  ganbench list methods
  ganbench list metrics --json";

pub const FETCH: &str = "\
Examples:
  ganbench fetch dataset cifar10
  ganbench fetch extractor inception --timeout 120";

pub const DOCTOR: &str = "\
Examples:
  ganbench doctor
  ganbench doctor --data ~/data --json";

pub const METRICS: &str = "\
Examples:
  ganbench metrics --real real.npz --fake fake.npz --metrics fid,kid,prdc";

pub const LOSS: &str = "\
Examples:
  ganbench loss hinge --inputs outputs.npz --json";

pub const SENSITIVITY: &str = "\
Examples:
  ganbench sensitivity --dataset shapes --faults blur,noise
  ganbench sensitivity --dataset cifar10 --page pages/sensitivity";

pub const AGREEMENT: &str = "\
Examples:
  ganbench agreement runs/table1-shapes --truth modes_kl";

pub const COMPLETIONS: &str = "\
Examples:
  ganbench completions bash";

pub const BENCH_TRAIN_STEP: &str = "\
Examples:
  ganbench bench train-step --method kdd --width 16 --profile";

pub const BENCH_OPS: &str = "\
Examples:
  ganbench bench ops --batch 32";

pub const BENCH_EVAL: &str = "\
Examples:
  ganbench bench eval --images 200";

pub const BENCH_COMPARE: &str = "\
Examples:
  ganbench bench compare --peer-script train_step.py --rounds 5";
