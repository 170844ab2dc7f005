//! Reports as JSON, written out by hand: a few flat objects.

use super::blame::Blame;
use super::report::{Comparison, GradReport, Mode, Verdict};
pub(super) use crate::json::{array, number, string};

pub(super) fn report(report: &GradReport) -> String {
    let counts = report.counts();
    format!(
        "{{\"ok\":{},\"pass\":{},\"kink\":{},\"mismatch\":{},\"unresolved\":{},\"nondeterministic\":{},\
         \"not_reached\":{},\"worst\":{},\"blame\":{},\"unreached\":{},\"notes\":{},\"comparisons\":{}}}",
        report.is_ok(),
        counts.pass,
        counts.kink,
        counts.mismatch,
        counts.unresolved,
        counts.nondeterministic,
        counts.not_reached,
        number(report.worst()),
        report.blame.as_ref().map_or("null".to_string(), blame),
        array(report.unreached.iter().map(usize::to_string)),
        array(report.notes.iter().map(|note| string(note))),
        array(report.comparisons.iter().map(comparison)),
    )
}

fn comparison(comparison: &Comparison) -> String {
    let mode = match comparison.mode {
        Mode::Reverse => "reverse",
        Mode::Forward => "forward",
        Mode::Transposed => "transposed",
    };
    let more = match comparison.verdict {
        Verdict::Kink { left, right } => format!(",\"left\":{},\"right\":{}", number(left), number(right)),
        Verdict::Unresolved(reason) => format!(",\"reason\":{}", string(&reason.to_string())),
        _ => String::new(),
    };
    format!(
        "{{\"name\":{},\"input\":{},\"position\":{},\"directional\":{},\"output\":{},\"order\":{},\"mode\":\"{mode}\",\
         \"analytic\":{},\"numeric\":{},\"error\":{},\"verdict\":\"{}\"{more}}}",
        string(&comparison.name),
        comparison.input,
        array(comparison.position.iter().map(usize::to_string)),
        comparison.directional,
        comparison.output,
        comparison.order,
        number(comparison.analytic),
        number(comparison.numeric),
        number(comparison.error),
        comparison.verdict.word(),
    )
}

fn blame(blame: &Blame) -> String {
    format!(
        "{{\"op\":{},\"equation\":{},\"operand\":{},\"order\":{},\"cause\":{},\"inner\":{},\"file\":{},\"line\":{},\
         \"column\":{},\"scope\":{},\"analytic\":{},\"numeric\":{}}}",
        string(&blame.op),
        string(&blame.equation),
        blame.operand,
        blame.order,
        string(blame.cause.word()),
        blame.inner.as_deref().map_or("null".to_string(), string),
        string(blame.location.file()),
        blame.location.line(),
        blame.location.column(),
        string(&blame.scope),
        number(blame.analytic),
        number(blame.numeric),
    )
}
