//! A whole `tonnage run` of each shipped scenario, but for the files, on one thread and on two.
//! `cargo bench --bench sweep`, or one of them: `cargo bench --bench sweep -- guide`.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use divan::Bencher;
use tonnage::experiment::sweep;
use tonnage::experiment::trial::{Crew, Watch};
use tonnage::scenario;

fn main() {
    divan::main();
}

fn measure(bencher: Bencher<'_, '_>, name: &str, threads: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    let loaded = scenario::load(&path, &[]).expect("a shipped scenario is valid");
    let crew = Crew::new(threads).expect("the system gives two threads");
    let never = AtomicBool::new(false);
    bencher.bench_local(|| sweep::run(&loaded.study, true, &crew, &Watch::new(&never, &|_| {})));
}

macro_rules! scenarios {
    ($($bench:ident = $name:literal;)*) => {
        $(
            #[divan::bench(args = [1, 2], sample_count = 3, sample_size = 1)]
            fn $bench(bencher: Bencher<'_, '_>, threads: usize) {
                measure(bencher, $name, threads);
            }
        )*
    };
}

scenarios! {
    two_or_four_gb = "2gb-vs-4gb.toml";
    guide_sizing_table = "guide-sizing-table.toml";
    no_connection_reuse = "no-connection-reuse.toml";
    sync_vs_async = "sync-vs-async.toml";
    too_many_workers = "too-many-workers.toml";
}
