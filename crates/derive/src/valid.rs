//! Asks whether attributes that are right one by one go together. Must not write any code.

use std::collections::HashMap;

use syn::spanned::Spanned;
use syn::{Error, Member, Result};

use crate::ast::{Errors, Field, Input, Variant};

impl Input<'_> {
    pub(crate) fn validate(&self) -> Result<()> {
        let mut errors = Errors::default();
        for variant in &self.variants {
            for field in &variant.fields {
                errors.keep(field.validate());
            }
            variant.segments_differ(&mut errors);
        }
        errors.finish()
    }
}

impl Field<'_> {
    fn validate(&self) -> Result<()> {
        let attrs = &self.attrs;
        if let (Some(rename), Some(_)) = (&attrs.rename, attrs.skip) {
            return Err(Error::new(rename.key, "a field that is skipped has no path to rename"));
        }
        if let (Some(flatten), Some(_)) = (attrs.flatten, attrs.skip) {
            return Err(Error::new(flatten, "a field that is skipped is not visited, so it can't be flattened"));
        }
        let Some(rename) = &attrs.rename else { return Ok(()) };
        if attrs.flatten.is_some() {
            return Err(Error::new(rename.key, "a field that is flattened has no path segment to rename"));
        }
        match rename.to.value() {
            to if to.is_empty() => Err(Error::new(rename.to.span(), "a path segment can't be empty; see `flatten`")),
            to if to.contains('.') => {
                Err(Error::new(rename.to.span(), "a path segment can't hold a dot: dots separate segments"))
            }
            _ => Ok(()),
        }
    }

    /// Where the path segment comes from.
    fn segment_span(&self) -> proc_macro2::Span {
        match (&self.attrs.rename, &self.member) {
            (Some(rename), _) => rename.to.span(),
            (None, Member::Named(name)) => name.span(),
            (None, Member::Unnamed(_)) => self.ty.span(),
        }
    }
}

impl Variant<'_> {
    fn segments_differ(&self, errors: &mut Errors) {
        let mut taken: HashMap<String, &Field<'_>> = HashMap::new();
        for field in self.visited() {
            let Some(segment) = field.segment() else { continue };
            if let Some(other) = taken.get(&segment) {
                // Two names can't be the same, so one of the two is a rename: the error belongs there.
                let at = if field.attrs.rename.is_some() { field } else { other };
                errors.push(Error::new(at.segment_span(), format!("another field has the path segment `{segment}`")));
            } else {
                taken.insert(segment, field);
            }
        }
    }
}
