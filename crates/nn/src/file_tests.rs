use proptest::prelude::*;
use wengert_autograd::{ErrorKind, StateDict, Tensor};

use super::*;

fn sample() -> Vec<u8> {
    let dict =
        StateDict::from_iter([("a.b", Tensor::from([[1.0f32, -0.0], [f32::NAN, 4.5]])), ("c", Tensor::scalar(2.0))]);
    safetensors::serialize(dict.iter().map(|(path, tensor)| (path, Saved(tensor))), None).unwrap()
}

#[test]
fn bits_survive() {
    let dict: StateDict<f32> = parse(&sample()).unwrap();
    let bits: Vec<u32> = dict.get("a.b").unwrap().as_slice().iter().map(|value| value.to_bits()).collect();
    assert_eq!(bits, [1.0f32, -0.0, f32::NAN, 4.5].map(f32::to_bits));
    assert_eq!(dict.get("c").unwrap().item().unwrap(), 2.0);
}

#[test]
fn other_element_type() {
    let error = parse::<f64>(&sample()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("holds F32 elements, F64 are needed"), "{error}");
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = sample();
    for length in 0..bytes.len() {
        assert_eq!(parse::<f32>(&bytes[..length]).unwrap_err().kind(), ErrorKind::Data, "{length}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse::<f32>(&bytes);
    }

    #[test]
    fn arbitrary_headers(header in "[\\{\\}\"\\[\\]:,a-zA-Z0-9_ ]{0,120}", rest in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(rest);
        let _ = parse::<f32>(&bytes);
    }

    #[test]
    fn one_changed_byte(position in 0usize..1000, byte in any::<u8>()) {
        let mut bytes = sample();
        let position = position % bytes.len();
        bytes[position] = byte;
        let _ = parse::<f32>(&bytes);
    }
}
