//! What is derived for: a struct or enum with its attributes read. Must not know what is made of it.

use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, Generics, Ident, Index, Member, Result, Type};

use crate::attr::{self, ContainerAttrs, FieldAttrs};

/// A struct or an enum.
pub(crate) struct Input<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) attrs: ContainerAttrs,
    /// The variants of an enum; a struct has one, which has no name.
    pub(crate) variants: Vec<Variant<'a>>,
}

pub(crate) struct Variant<'a> {
    pub(crate) ident: Option<&'a Ident>,
    pub(crate) fields: Vec<Field<'a>>,
}

pub(crate) struct Field<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: FieldAttrs,
}

impl<'a> Input<'a> {
    pub(crate) fn read(node: &'a DeriveInput) -> Result<Self> {
        let mut errors = Errors::default();
        let attrs = errors.keep(ContainerAttrs::read(&node.attrs));
        let mut variants = Vec::new();
        match &node.data {
            Data::Struct(data) => variants.push(Variant { ident: None, fields: fields(&data.fields, &mut errors) }),
            Data::Enum(data) => {
                for variant in &data.variants {
                    errors.keep(attr::refuse_on_variant(&variant.attrs));
                    variants
                        .push(Variant { ident: Some(&variant.ident), fields: fields(&variant.fields, &mut errors) });
                }
            }
            Data::Union(data) => {
                let message = "a union is no module: which of its fields holds a value is not known";
                errors.push(Error::new(data.union_token.span, message));
            }
        }
        errors.finish()?;
        Ok(Input { ident: &node.ident, generics: &node.generics, attrs: attrs.unwrap_or_default(), variants })
    }

    /// The fields that are visited.
    pub(crate) fn visited(&self) -> impl Iterator<Item = &Field<'a>> {
        self.variants.iter().flat_map(Variant::visited)
    }
}

impl<'a> Variant<'a> {
    /// The fields that are visited.
    pub(crate) fn visited(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.attrs.skip.is_none())
    }
}

impl Field<'_> {
    /// The path segment of the field; a flattened field has none.
    pub(crate) fn segment(&self) -> Option<String> {
        if self.attrs.flatten.is_some() {
            return None;
        }
        Some(match (&self.attrs.rename, &self.member) {
            (Some(rename), _) => rename.to.value(),
            (None, Member::Named(name)) => name.unraw().to_string(),
            (None, Member::Unnamed(position)) => position.index.to_string(),
        })
    }
}

fn fields<'a>(fields: &'a Fields, errors: &mut Errors) -> Vec<Field<'a>> {
    let mut all = Vec::new();
    for (i, field) in fields.iter().enumerate() {
        let member = match &field.ident {
            Some(name) => Member::Named(name.clone()),
            None => Member::Unnamed(Index::from(i)),
        };
        if let Some(attrs) = errors.keep(FieldAttrs::read(&field.attrs)) {
            all.push(Field { member, ty: &field.ty, attrs });
        }
    }
    all
}

/// Everything that is wrong, reported at once.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The value, or none after taking the error down.
    pub(crate) fn keep<V>(&mut self, result: Result<V>) -> Option<V> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
