//! Random histories over restarts, flushes, merges and index builds, against the plain model.

use proptest::prelude::*;
use vectorizer_model::Metric;
use vectorizer_vfs::crash::TraceDirectory;

use crate::history::{Model, check, steps};
use crate::support::{name, open, settings};

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_equals_the_model(steps in steps(1..40)) {
        let root = TraceDirectory::new().directory();
        let mut engine = open(&root);
        let created = engine.create_collection(name(), settings(4, Metric::L2)).expect("accepted");
        created.wait().expect("done").expect("created");
        let mut model = Model::default();
        for step in &steps {
            engine = step.housekeep(engine, || open(&root));
            // Dropping an index that is not there is refused; nothing changes.
            if let Some(operation) = step.operation()
                && let Ok(applied) = engine.write(&name(), operation.clone())
            {
                model.apply(applied.seq.0, &operation);
            }
            check(&engine, &model);
        }
    }
}
