//! Reads `#[module(...)]`. Must not know what the keys do: which of them go together is asked in `valid`.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::spanned::Spanned;
use syn::{Attribute, Error, LitStr, Path, Result, Type, token};

/// What is written on the struct or enum.
#[derive(Default)]
pub(crate) struct ContainerAttrs {
    pub(crate) element: Option<Type>,
    pub(crate) krate: Option<Path>,
}

/// What is written on a field.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    pub(crate) skip: Option<Span>,
    pub(crate) flatten: Option<Span>,
    pub(crate) rename: Option<Rename>,
}

/// `rename = "gamma"`.
pub(crate) struct Rename {
    /// Where `rename` stands.
    pub(crate) key: Span,
    pub(crate) to: LitStr,
}

const CONTAINER_KEYS: &str = "`element` and `crate`";
const FIELD_KEYS: &str = "`skip`, `rename` and `flatten`";

impl ContainerAttrs {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut found = ContainerAttrs::default();
        for_each_key(attributes, |meta| {
            if meta.path.is_ident("element") {
                let element = value(&meta, "takes a type", "f64")?;
                once(&mut found.element, element, &meta)
            } else if meta.path.is_ident("crate") {
                let krate = value(&meta, "takes a path", "wengert::nn")?;
                once(&mut found.krate, krate, &meta)
            } else if ["skip", "rename", "flatten"].iter().any(|key| meta.path.is_ident(key)) {
                Err(error(&meta, "is written on a field, not on the struct or enum"))
            } else {
                Err(error(&meta, &format!("is not a key of a struct or enum; those are {CONTAINER_KEYS}")))
            }
        })?;
        Ok(found)
    }
}

impl FieldAttrs {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut found = FieldAttrs::default();
        for_each_key(attributes, |meta| {
            let key = meta.path.span();
            if meta.path.is_ident("skip") {
                no_value(&meta)?;
                once(&mut found.skip, key, &meta)
            } else if meta.path.is_ident("flatten") {
                no_value(&meta)?;
                once(&mut found.flatten, key, &meta)
            } else if meta.path.is_ident("rename") {
                let to = value(&meta, "takes a string", "\"gamma\"")?;
                once(&mut found.rename, Rename { key, to }, &meta)
            } else if ["element", "crate"].iter().any(|key| meta.path.is_ident(key)) {
                Err(error(&meta, "is written on the struct or enum, not on a field"))
            } else {
                Err(error(&meta, &format!("is not a key of a field; those are {FIELD_KEYS}")))
            }
        })?;
        Ok(found)
    }
}

/// A variant takes no attribute: says so where there is one.
pub(crate) fn refuse_on_variant(attributes: &[Attribute]) -> Result<()> {
    match attributes.iter().find(|attribute| attribute.path().is_ident("module")) {
        Some(attribute) => {
            Err(Error::new_spanned(attribute, "#[module(...)] is written on a field or on the enum, not on a variant"))
        }
        None => Ok(()),
    }
}

fn for_each_key(attributes: &[Attribute], mut read: impl FnMut(ParseNestedMeta<'_>) -> Result<()>) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("module")) {
        attribute.parse_nested_meta(&mut read)?;
    }
    Ok(())
}

/// What stands after `key =`.
fn value<V: Parse>(meta: &ParseNestedMeta<'_>, takes: &str, example: &str) -> Result<V> {
    let message = || format!("{takes}, such as {} = {example}", name(meta));
    let input = meta.value().map_err(|_| error(meta, &message()))?;
    let start = input.span();
    input.parse().map_err(|_| Error::new(start, format!("`{}` {}", name(meta), message())))
}

fn no_value(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(syn::Token![=]) || meta.input.peek(token::Paren) {
        return Err(error(meta, "takes no value"));
    }
    Ok(())
}

fn once<V>(place: &mut Option<V>, value: V, meta: &ParseNestedMeta<'_>) -> Result<()> {
    match place.replace(value) {
        Some(_) => Err(error(meta, "is written twice")),
        None => Ok(()),
    }
}

fn error(meta: &ParseNestedMeta<'_>, message: &str) -> Error {
    Error::new_spanned(&meta.path, format!("`{}` {message}", name(meta)))
}

fn name(meta: &ParseNestedMeta<'_>) -> String {
    let segments: Vec<String> = meta.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    segments.join("::")
}
