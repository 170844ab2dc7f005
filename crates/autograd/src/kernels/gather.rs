//! Copies between layouts.

/// Copies the elements of a strided view into row-major order.
pub fn strided<T: Copy>(input: &[T], shape: &[usize], strides: &[usize], offset: usize, output: &mut [T]) {
    let Some((&n, outer)) = shape.split_last() else {
        output[0] = input[offset];
        return;
    };
    if n == 0 || output.is_empty() {
        return;
    }
    let stride = strides[outer.len()];
    let mut position = smallvec::SmallVec::<[usize; 8]>::from_elem(0, outer.len());
    let mut start = offset;
    for row in output.chunks_exact_mut(n) {
        match stride {
            1 => row.copy_from_slice(&input[start..start + n]),
            _ => row.iter_mut().enumerate().for_each(|(i, to)| *to = input[start + i * stride]),
        }
        for axis in (0..outer.len()).rev() {
            position[axis] += 1;
            start += strides[axis];
            if position[axis] < outer[axis] {
                break;
            }
            start -= strides[axis] * position[axis];
            position[axis] = 0;
        }
    }
}

/// Writes the elements of a repeated operand that stand against the output's elements from `start` on. `lengths` are
/// the output's axes, `strides` the operand's, 0 where it repeats.
pub fn repeat<T: Copy>(input: &[T], lengths: &[usize], strides: &[usize], start: usize, output: &mut [T]) {
    let Some((&n, outer)) = lengths.split_last() else { return };
    let stride = strides[outer.len()];
    let mut position = smallvec::SmallVec::<[usize; 8]>::from_elem(0, outer.len());
    let (mut within, mut rest, mut row) = (start % n.max(1), start / n.max(1), 0);
    for axis in (0..outer.len()).rev() {
        position[axis] = rest % outer[axis];
        rest /= outer[axis];
        row += position[axis] * strides[axis];
    }
    let mut written = 0;
    while written < output.len() {
        let count = (n - within).min(output.len() - written);
        let to = &mut output[written..written + count];
        match stride {
            0 => to.fill(input[row]),
            1 => to.copy_from_slice(&input[row + within..row + within + count]),
            _ => to.iter_mut().enumerate().for_each(|(i, to)| *to = input[row + (within + i) * stride]),
        }
        (written, within) = (written + count, 0);
        for axis in (0..outer.len()).rev() {
            position[axis] += 1;
            row += strides[axis];
            if position[axis] < outer[axis] {
                break;
            }
            row -= strides[axis] * position[axis];
            position[axis] = 0;
        }
    }
}
