//! Batches: every row once, in an order that depends on the seed alone.

use proptest::prelude::*;
use wengert_autograd::{ErrorKind, IndexTensor, Tensor};
use wengert_data::{Dataset, Loader, Rows};

/// `n` rows; the target of a row is its position, its input the position twice over.
fn numbered(n: usize) -> Dataset {
    Dataset::new(Tensor::from_fn([n, 2], |i| (i / 2) as f32), IndexTensor::from((0..n).collect::<Vec<_>>())).unwrap()
}

/// The rows of each batch, checked to have the right inputs.
fn pass(loader: Loader<'_>) -> Vec<Vec<usize>> {
    let batches: Vec<Vec<usize>> = loader
        .into_iter()
        .map(|batch| {
            let batch = batch.unwrap();
            let rows = batch.targets.as_slice().to_vec();
            let inputs: Vec<f32> = rows.iter().flat_map(|&row| [row as f32; 2]).collect();
            assert_eq!(*batch.inputs.shape(), [rows.len(), 2]);
            assert_eq!(batch.inputs.as_slice(), inputs);
            rows
        })
        .collect();
    assert_eq!(batches.len(), loader.num_batches());
    batches
}

#[test]
fn in_order_unless_told_otherwise() {
    let data = numbered(7);
    assert_eq!(pass(data.loader(3)), [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    assert_eq!(pass(data.loader(3).drop_last(true)), [[0, 1, 2], [3, 4, 5]]);
    assert_eq!(pass(data.loader(7).drop_last(true)).len(), 1);
    assert_eq!(pass(data.loader(8).drop_last(true)).len(), 0);
    assert_eq!(pass(data.loader(usize::MAX)), [[0, 1, 2, 3, 4, 5, 6]]);
}

#[test]
fn seeds() {
    let data = numbered(100);
    let order = |seed| pass(data.loader(32).shuffle(seed)).concat();
    assert_eq!(order(7), order(7));
    assert_eq!(order(7), wengert_data::permutation(100, 7));
    let orders: std::collections::BTreeSet<_> = (0..50).map(order).collect();
    assert_eq!(orders.len(), 50);
    // The size of the batches has no influence on the order.
    assert_eq!(order(7), pass(data.loader(1).shuffle(7)).concat());
}

#[test]
fn a_split_depends_on_its_seed() {
    let data = numbered(100);
    assert_eq!(data.split(0.5, 7).unwrap(), data.split(0.5, 7).unwrap());
    assert_ne!(data.split(0.5, 7).unwrap(), data.split(0.5, 8).unwrap());
}

#[test]
fn a_loader_can_be_iterated_again() {
    let data = numbered(10);
    let loader = data.loader(4).shuffle(1);
    assert_eq!((&loader).into_iter().count(), 3);
    assert_eq!(pass(loader), pass(loader));
}

#[test]
fn batch_size_zero_is_told_once() {
    for data in [numbered(3), numbered(0)] {
        let mut batches = data.loader(0).shuffle(7).into_iter();
        assert_eq!(batches.len(), 1);
        let error = batches.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert_eq!(error.to_string(), "Loader: a batch size of 0; a batch needs at least one row");
        assert!(batches.next().is_none() && batches.nth(usize::MAX).is_none());
    }
}

#[test]
fn numbers_to_predict_and_other_element_types() {
    let inputs = Tensor::<f64>::from_fn([4, 2, 3], |i| i as f64);
    let data = Dataset::new(inputs, Tensor::<f64>::from_fn([4], |i| -(i as f64))).unwrap();
    let batch = data.loader(3).into_iter().nth(1).unwrap().unwrap();
    assert_eq!(*batch.inputs.shape(), [1, 2, 3]);
    assert_eq!(batch.inputs.as_slice(), [18.0, 19.0, 20.0, 21.0, 22.0, 23.0]);
    assert_eq!(batch.targets.as_slice(), [-3.0]);
}

#[test]
fn rows_of_a_users_own() {
    #[derive(Debug)]
    struct Names(Vec<String>);
    impl Rows for Names {
        fn row_count(&self) -> wengert_autograd::Result<usize> {
            Ok(self.0.len())
        }
        fn take_rows(&self, rows: &[usize]) -> wengert_autograd::Result<Self> {
            Ok(Names(rows.iter().filter_map(|&row| self.0.get(row).cloned()).collect()))
        }
    }
    let names = Names(["one", "two"].map(String::from).to_vec());
    let data = Dataset::new(names, IndexTensor::from([1, 2])).unwrap();
    assert_eq!(data.loader(1).into_iter().nth(1).unwrap().unwrap().inputs.0, ["two"]);
}

#[test]
fn what_is_no_data_set() {
    let error = Dataset::new(Tensor::from([1.0, 2.0]), IndexTensor::from([0])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    let error = Dataset::new(Tensor::scalar(1.0), IndexTensor::from([0])).unwrap_err().to_string();
    assert_eq!(error, "Dataset::new, inputs: an operand of shape [] has no rows; give it a first axis with reshape");
    for fraction in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = numbered(3).split(fraction, 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        let text = format!(
            "Dataset::split: a fraction of {fraction}; \
             the first part's share of the rows is between 0 and 1, for example 0.8"
        );
        assert_eq!(error.to_string(), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_once(n in 0usize..200, size in 1usize..70, seed: u64) {
        let data = numbered(n);
        let batches = pass(data.loader(size).shuffle(seed));
        prop_assert!(batches.iter().rev().skip(1).all(|rows| rows.len() == size));
        let mut rows = batches.concat();
        rows.sort_unstable();
        prop_assert!(rows.iter().copied().eq(0..n));
        let full = pass(data.loader(size).shuffle(seed).drop_last(true));
        prop_assert_eq!(full.len(), n / size);
        prop_assert_eq!(&full[..], &batches[..n / size]);
    }

    #[test]
    fn skipping_is_reading_past(n in 0usize..50, size in 0usize..10, skip in 0usize..20) {
        let data = numbered(n);
        let loader = data.loader(size).shuffle(3);
        let read = |batches: &mut dyn Iterator<Item = _>| batches.map(|b: Result<_, _>| b.ok()).collect::<Vec<_>>();
        let all = read(&mut loader.into_iter());
        let rest = read(&mut loader.into_iter().skip(skip));
        prop_assert_eq!(&rest[..], &all[skip.min(all.len())..]);
    }

    #[test]
    fn two_parts_without_a_common_row(n in 0usize..200, fraction in 0.0..=1.0, seed: u64) {
        let (first, second) = numbered(n).split(fraction, seed).unwrap();
        prop_assert!((first.len() as f64 - n as f64 * fraction).abs() <= 0.5);
        let mut rows = [first.targets().as_slice(), second.targets().as_slice()].concat();
        rows.sort_unstable();
        prop_assert!(rows.iter().copied().eq(0..n));
    }
}
