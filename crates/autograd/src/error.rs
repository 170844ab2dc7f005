//! The one error type of the crate. It must know nothing of tensors, ops or tapes: it only carries words.

pub mod json;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// What any function of the framework may return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of mistake an [`Error`] reports, for programs; people read its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes that do not fit together, or a number of values that does not fit a shape.
    Shape,
    /// An axis that the operand does not have, or that is named twice.
    Axis,
    /// An index outside its axis, or a label outside its classes.
    Index,
    /// A number that an operation cannot take: a negative stride, a probability above 1.
    Argument,
    /// `Var`s of two tapes in one formula.
    Tape,
    /// A derivative that does not exist: of a constant, of a non-scalar loss, through an op without a pullback.
    Gradient,
    /// A parameter or input that the loss does not reach.
    Unreached,
    /// The first NaN or infinity found by `check_finite`.
    NonFinite,
    /// A file or byte stream that is not what it should be.
    Data,
    /// The operating system refused to read or write.
    Io,
    /// A state dict whose keys or shapes are not the model's.
    State,
    /// An input at which a recorded function takes another branch than it did when it was recorded.
    Branch,
    /// A derivative that differs from finite differences.
    Check,
    /// A recorded step that cannot be replayed: other shapes, another decision, a value asked for on the way.
    Replay,
    /// Memory that cannot be had, or that a limit forbids.
    Memory,
    /// A computation without a result: an iteration that does not converge, a matrix that has no inverse.
    Numeric,
}

/// A mistake: what op, which shapes, where in the source, in which scope, and one hint.
///
/// ```
/// use wengert_autograd::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::Shape, "left [2, 3], right [4]").op("add").hint("the last axes are 3 and 4");
/// assert_eq!(error.to_string(), "add: left [2, 3], right [4]; the last axes are 3 and 4");
/// assert_eq!(error.kind(), ErrorKind::Shape);
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    op: Option<String>,
    location: Option<&'static Location<'static>>,
    scope: Option<String>,
    hint: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A mistake of a kind, in words.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Arc::new(Inner {
            kind,
            message: message.into(),
            op: None,
            location: None,
            scope: None,
            hint: None,
            source: None,
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Names the op, unless one is named already.
    pub fn op(self, op: impl Into<String>) -> Self {
        self.with(|inner| {
            inner.op.get_or_insert_with(|| op.into());
        })
    }

    /// Says where in the user's source the op was recorded, unless that is known already.
    pub fn at(self, location: &'static Location<'static>) -> Self {
        self.with(|inner| {
            inner.location.get_or_insert(location);
        })
    }

    /// Says in which scope of the tape the op was recorded; an empty scope is left out.
    pub fn scope(self, scope: &str) -> Self {
        self.with(|inner| {
            if !scope.is_empty() && inner.scope.is_none() {
                inner.scope = Some(scope.to_string());
            }
        })
    }

    /// Adds one hint, unless there is one already.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.with(|inner| {
            inner.hint.get_or_insert_with(|| hint.into());
        })
    }

    /// Keeps the error that caused this one.
    pub fn caused_by(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.source = Some(Arc::new(source)))
    }

    /// The kind of mistake.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name of the op that failed, where one did.
    pub fn op_name(&self) -> Option<&str> {
        self.0.op.as_deref()
    }

    /// Where in the user's source the failing op was recorded.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.0.location
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(op) = &inner.op {
            write!(f, "{op}: ")?;
        }
        f.write_str(&inner.message)?;
        if let Some(source) = &inner.source {
            write!(f, ": {source}")?;
        }
        if let Some(location) = inner.location {
            write!(f, " at {location}")?;
        }
        if let Some(scope) = &inner.scope {
            write!(f, " in scope \"{scope}\"")?;
        }
        if let Some(hint) = &inner.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// The same text as `Display`: what a `main` that returns the error prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::new(ErrorKind::Io, "input or output failed").caused_by(error)
    }
}
