//! What is drawn passes the checks, and is varied.

use vectorizer_model::Operation;
use vectorizer_model::check::PayloadLimits;

use super::*;

proptest! {
    #[test]
    fn settings_and_their_batches_are_valid(
        (settings, batch) in collection_settings().prop_flat_map(|settings| {
            let batch = point_batch(&settings, 0..8);
            (Just(settings), batch)
        }),
    ) {
        prop_assert_eq!(settings.validate(), Ok(()));
        prop_assert_eq!(batch.validate(&settings), Ok(()));
    }

    #[test]
    fn filters_and_payloads_are_valid(filter in filter(), payload in payload()) {
        prop_assert_eq!(filter.validate(), Ok(()));
        prop_assert_eq!(payload.check(&PayloadLimits::default()), Ok(()));
    }

    #[test]
    fn paths_are_read_as_they_are_shown(path in key_path()) {
        prop_assert_eq!(path.to_string().parse(), Ok(path));
    }
}

#[test]
fn every_kind_of_operation_is_drawn() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let strategy = operation();
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let drawn = strategy.new_tree(&mut runner).unwrap().current();
        let mut bytes = Vec::new();
        vectorizer_model::encode::encode_operation(&drawn, &mut bytes);
        kinds.insert(bytes[1]);
        let within = matches!(drawn, Operation::Upsert(batch) if batch.len() >= 8);
        assert!(!within, "batches are short");
    }
    assert_eq!(kinds.len(), 12, "{kinds:?}");
}
